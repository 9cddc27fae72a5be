// Lets a home keep which key store it uses, as soon as its key service has proved that the keys are there.
import type { Config } from '../platform/config/config.ts';
import {
  type HomeKeys,
  keysOfHome,
  readHomeKeys,
  writeHomeKeys,
} from '../platform/config/home-keys.ts';
import { moduleOf } from '../vault/keys/open-key-store.ts';
import { keyStoreChoice } from './key-child.ts';

/** To be called once the key service runs with `config`; answers what the next start will read. */
export function pinKeyStore(config: Config): Config {
  const choice = keyStoreChoice(config);
  const { tokenLabel } = config.keys.pkcs11;
  const keys: HomeKeys =
    choice.kind === 'keyfile'
      ? { kind: 'keyfile' }
      : { kind: 'pkcs11', profile: choice.profile, module: moduleOf(choice), tokenLabel };
  const known = readHomeKeys(config.home);
  // A module may have moved; the file follows only now that the keys were found behind it.
  if (JSON.stringify(known) !== JSON.stringify(keys)) writeHomeKeys(config.home, keys);
  return { ...config, keys: keysOfHome(keys, config.keys, {}) };
}
