// One JSON file, checked as a whole: every finding at once with its JSON pointer, no coercion, no
// unknown key. No file is a valid configuration; what protects data has no guessed default.
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';
import type { Secret } from '../../kernel/secret.ts';
import { Secret as SecretValue } from '../../kernel/secret.ts';
import { compileSchema } from '../schema/validator.ts';
import type { SchemaFinding } from '../schema/validator.ts';
import { checkBodies, completeBodies, type RawBodies } from './bodies-config.ts';
import type { Config, ListenerConfig, ListenerName, LogLevel } from './config.ts';
import type { JsonValue } from './fragment.ts';
import { keysOfHome, type NamedKeys, readHomeKeys } from './home-keys.ts';
import { configDefaults, configSchema, overlay } from './schema.ts';
import { checkKeyService, completeKeyService, type RawKeyService } from './key-service-choice.ts';
import { readSecret } from './secret-source.ts';
import type { SecretSource } from './secret-source.ts';
import { readTokenChoice } from './token-choice.ts';

const validate = compileSchema(configSchema);

/**
 * Loads, checks and completes the configuration.
 * @param path file of `--config`; else `POSTSEAL_CONFIG`, else `postseal.json` in the home, else none.
 * @throws PostsealError `config.invalid`, each finding as a field `pointer: text` (values never appear);
 * `config.secret-missing`.
 */
export function loadConfig(
  path: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): Config {
  const file = chooseFile(path, environment);
  const given = file === undefined ? {} : readJson(file);
  const findings = findProblems(given);
  if (findings.length > 0) throw invalid(file, findings);
  const whole = overlay(configDefaults, given as JsonValue) as unknown as RawConfig;
  const named = (given as { readonly keys?: NamedKeys }).keys ?? {};
  return deepFreeze(complete(whole, named, file, environment));
}

/** Every finding about a parsed configuration file; none when it may be used. */
export function findProblems(given: unknown): readonly SchemaFinding[] {
  const findings = validate(given);
  if (findings.length > 0) return findings;
  return crossChecks(overlay(configDefaults, given as JsonValue) as unknown as RawConfig);
}

interface RawConfig {
  readonly home: string;
  readonly production: boolean;
  readonly workers: number;
  readonly organisation: Config['organisation'];
  readonly database: { readonly url?: SecretSource };
  readonly listeners: Readonly<Record<ListenerName, ListenerConfig>>;
  readonly tls: {
    readonly certificate?: string;
    readonly key?: string;
    readonly minVersion: Config['tls']['minVersion'];
  };
  readonly imap: Config['imap'];
  readonly limits: Config['limits'];
  readonly keys: {
    readonly store: 'auto' | 'pkcs11' | 'keyfile';
    readonly pkcs11: {
      readonly module?: string;
      readonly profile: string;
      readonly tokenLabel: string;
      readonly pin?: SecretSource;
    };
    readonly keyfile: { readonly passphrase?: SecretSource };
  };
  readonly bodies: RawBodies;
  readonly keyService: RawKeyService;
  readonly generations: Config['generations'];
  readonly backup: Omit<Config['backup'], 'directory'> & { readonly directory?: string };
  readonly log: { readonly level: LogLevel };
}

/** What a schema cannot say. */
function crossChecks(raw: RawConfig): SchemaFinding[] {
  const findings: SchemaFinding[] = [];
  const taken = new Map<string, string>();
  for (const [name, { enabled, host, port }] of Object.entries(raw.listeners)) {
    if (!enabled || port === 0) continue;
    const other = taken.get(`${host} ${port}`);
    const at = `/listeners/${name}/port`;
    if (other !== undefined) findings.push({ at, text: `is the port of ${other} too` });
    taken.set(`${host} ${port}`, name);
  }
  for (const name of ['smtp', 'console'] as const) {
    if (!raw.listeners[name].enabled) continue;
    findings.push({ at: `/listeners/${name}/enabled`, text: 'this version has no such listener' });
  }
  if ((raw.tls.certificate === undefined) !== (raw.tls.key === undefined)) {
    findings.push({ at: '/tls', text: 'certificate and key go together' });
  }
  const { needed, of } = raw.generations.officers;
  if (needed > of)
    findings.push({ at: '/generations/officers/needed', text: 'is more than there must be' });
  if (raw.production && raw.generations.graceDays < 1) {
    findings.push({
      at: '/generations/graceDays',
      text: 'must be at least 1 when production is true',
    });
  }
  if (raw.production && needed < 2) {
    findings.push({
      at: '/generations/officers/needed',
      text: 'must be at least 2 when production is true',
    });
  }
  if (raw.production && raw.keys.store !== 'pkcs11') {
    findings.push({ at: '/keys/store', text: 'must be pkcs11 when production is true' });
  }
  if (raw.production && raw.imap.allowCleartextLoopback) {
    findings.push({
      at: '/imap/allowCleartextLoopback',
      text: 'must be false when production is true',
    });
  }
  return [
    ...findings,
    ...checkBodies(raw.bodies, raw.production),
    ...checkKeyService(raw.keyService),
  ];
}

function complete(
  raw: RawConfig,
  named: NamedKeys,
  file: string | undefined,
  environment: NodeJS.ProcessEnv,
): Config {
  const folder = file === undefined ? process.cwd() : dirname(file);
  const secretAt = (source: SecretSource | undefined, pointer: string): Secret | undefined =>
    source === undefined ? undefined : readSecret(source, pointer, folder, environment);
  const pathAt = (path: string | undefined): string | undefined =>
    path === undefined ? undefined : resolve(folder, path);
  const { tls } = raw;
  const home = homeOf(raw.home, folder, environment);
  const keys = keysOfFile(raw.keys, pathAt, secretAt);
  const ofHome = readHomeKeys(home);
  const directory = pathAt(raw.backup.directory);
  if (directory !== undefined && `${directory}/`.startsWith(`${home}/`)) {
    throw invalid(file, [
      { at: '/backup/directory', text: 'lies in the home and is lost with it' },
    ]);
  }
  return {
    home,
    production: raw.production,
    workers: raw.workers === 0 ? availableParallelism() : raw.workers,
    organisation: raw.organisation,
    database: {
      url:
        secretOfEnvironment(environment['DATABASE_URL']) ??
        secretAt(raw.database.url, '/database/url'),
    },
    listeners: raw.listeners,
    tls: { ...tls, certificate: pathAt(tls.certificate), key: pathAt(tls.key) },
    imap: raw.imap,
    limits: raw.limits,
    keys: ofHome === undefined ? chosenKeys(raw.keys.store, keys) : keysOfHome(ofHome, keys, named),
    bodies: completeBodies(raw.bodies, secretAt),
    keyService: completeKeyService(raw.keyService, (path) => resolve(folder, path)),
    generations: raw.generations,
    backup: { ...raw.backup, directory },
    log: raw.log,
  };
}

type KeysOfFile = Pick<Config['keys'], 'pkcs11' | 'keyfile'>;

function keysOfFile(
  raw: RawConfig['keys'],
  pathAt: (path: string | undefined) => string | undefined,
  secretAt: (source: SecretSource | undefined, pointer: string) => Secret | undefined,
): KeysOfFile {
  const secrets = {
    pin: secretAt(raw.pkcs11.pin, '/keys/pkcs11/pin'),
    passphrase: secretAt(raw.keyfile.passphrase, '/keys/keyfile/passphrase'),
  };
  return {
    pkcs11: { ...raw.pkcs11, module: pathAt(raw.pkcs11.module), pin: secrets.pin },
    keyfile: { passphrase: secrets.passphrase },
  };
}

/** For a home that has never been started. */
function chosenKeys(wanted: RawConfig['keys']['store'], keys: KeysOfFile): Config['keys'] {
  // A module that is named decides, whatever the set-up found.
  if (wanted !== 'auto' || keys.pkcs11.module !== undefined) {
    const store = wanted === 'auto' ? 'pkcs11' : wanted;
    return { ...keys, store, chosenBy: 'configuration' };
  }
  const choice = readTokenChoice();
  if (choice.profile === 'keyfile') return { ...keys, store: 'keyfile', chosenBy: 'set-up' };
  const pkcs11 = { ...keys.pkcs11, ...choice };
  return { ...keys, store: 'pkcs11', chosenBy: 'set-up', pkcs11 };
}

function chooseFile(path: string | undefined, environment: NodeJS.ProcessEnv): string | undefined {
  const named = path ?? environment['POSTSEAL_CONFIG'];
  if (named !== undefined && named !== '') return resolve(named);
  const inHome = join(homeOf('./var', process.cwd(), environment), 'postseal.json');
  return existsSync(inHome) ? inHome : undefined;
}

function homeOf(configured: string, folder: string, environment: NodeJS.ProcessEnv): string {
  const given = environment['POSTSEAL_HOME'];
  return given === undefined || given === '' ? resolve(folder, configured) : resolve(given);
}

function readJson(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw invalid(file, [{ at: '', text: 'the file cannot be read' }], cause);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    // The parser's message may quote the file, which may hold a secret by mistake.
    throw invalid(file, [{ at: '', text: 'is not JSON' }], cause);
  }
}

function invalid(
  file: string | undefined,
  findings: readonly SchemaFinding[],
  cause?: unknown,
): PostsealError {
  const fields: Record<string, string> = file === undefined ? {} : { file };
  for (const { at, text } of findings) {
    const pointer = at === '' ? '/' : at;
    fields[pointer] = fields[pointer] === undefined ? text : `${fields[pointer]}; ${text}`;
  }
  return new PostsealError('config.invalid', fields, cause);
}

function secretOfEnvironment(value: string | undefined): Secret | undefined {
  return value === undefined || value === '' ? undefined : SecretValue.fromText(value);
}

function deepFreeze<T extends object>(value: T): T {
  for (const member of Object.values(value) as unknown[]) {
    // A Secret keeps its bytes private, and destroying them must stay possible.
    if (typeof member === 'object' && member !== null && !(member instanceof SecretValue)) {
      deepFreeze(member);
    }
  }
  return Object.freeze(value);
}
