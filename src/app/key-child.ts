// The key service of a node, as a child process of the primary, with its troubles told to log and alerts.
import { join } from 'node:path';
import { PostsealError } from '../kernel/errors.ts';
import type { AlertBus } from '../platform/alerts/alert-bus.ts';
import type { AlertCode } from '../platform/alerts/alert-registry.ts';
import type { Config } from '../platform/config/config.ts';
import type { Log } from '../platform/log/log.ts';
import { declaredClass, type KeyStoreChoice } from '../vault/keys/open-key-store.ts';
import { type KeyProcess, startKeyProcess } from '../vault/service/key-process.ts';
import type { NodeContext } from './node-context.ts';

/** The configured key store as plain values, for the child processes that open it. */
export function keyStoreChoice(config: Config): KeyStoreChoice {
  const { store, pkcs11, keyfile } = config.keys;
  if (store === 'keyfile') {
    return { kind: 'keyfile', passphrase: keyfile.passphrase?.exposeText() };
  }
  return {
    kind: 'pkcs11',
    profile: pkcs11.profile,
    module: pkcs11.module,
    tokenLabel: pkcs11.tokenLabel,
    pin: pkcs11.pin?.exposeText(),
    hardwareOnly: config.production,
  };
}

/**
 * Refuses before anything starts what the token itself would be refused for (src/vault/pkcs11/token-class.ts).
 * @throws PostsealError `key.software-token`.
 */
export function refuseSoftwareKeys(config: Config): void {
  const tokenClass = declaredClass(keyStoreChoice(config));
  if (!config.production || tokenClass === 'hsm') return;
  const { store, pkcs11 } = config.keys;
  throw new PostsealError('key.software-token', {
    class: tokenClass,
    ...(store === 'pkcs11' ? { profile: pkcs11.profile } : {}),
  });
}

function alertOfTrouble(code: string): AlertCode {
  if (code.startsWith('integrity.')) return 'key.integrity';
  return code === 'key.pin-locked' || code === 'key.limited' ? code : 'key.troubled';
}

export async function startKeys(
  config: Config,
  context: NodeContext,
  log: Log,
  alerts: AlertBus,
): Promise<KeyProcess> {
  if (config.keys.store === 'keyfile') {
    process.stderr.write(
      'postseal: warning: keys lie in a sealed file, not in a token: for development only\n',
    );
  }
  return startKeyProcess({
    config: {
      databaseUrl: context.databaseUrl,
      organisation: context.organisation,
      node: context.node,
      folder: join(context.home, 'keys'),
      socketPath: context.keySocket,
      store: keyStoreChoice(config),
      limits: config.keyService.limits,
      listener: config.keyService.listen,
    },
    onTrouble(code, fields) {
      log.error('key.service.troubled', { code, ...fields });
      alerts.raise({ code: alertOfTrouble(code), fields: { ...fields, cause: code } });
    },
    onDeath({ code, signal }) {
      log.error('key.service.died', { code, signal });
      alerts.raise({ code: 'key.service-died' });
    },
  });
}
