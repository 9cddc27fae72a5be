// The registry of key stores: one line a kind. Opens the one that the configuration, or the set-up's
// ladder, has chosen, for the key service or for the signer. A token is set up by the key service
// alone, which therefore starts first.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';
import { Secret } from '../../kernel/secret.ts';
import { openKeyfileStore } from '../keyfile/keyfile-store.ts';
import { ensurePin } from '../pkcs11/pin-file.ts';
import { loadProfile } from '../pkcs11/profile.ts';
import { openThreadedStore } from '../pkcs11/threaded-store.ts';
import type { KeyStore, TokenClass } from './key-store.ts';

/** Plain values, so that it can travel to a child process; secrets as text over IPC, never in argv. */
export type KeyStoreChoice =
  | {
      readonly kind: 'pkcs11';
      /** A file of keys/profiles/ without its ending. */
      readonly profile: string;
      /** Absolute path; absent: the first of the profile's modules that exists. */
      readonly module?: string | undefined;
      readonly tokenLabel: string;
      readonly pin?: string | undefined;
      /** Production: a software token is refused, whatever its profile calls it. */
      readonly hardwareOnly?: boolean;
    }
  | { readonly kind: 'keyfile'; readonly passphrase?: string | undefined };

export interface KeyStorePlace {
  /** The home's `keys/` folder; made with mode 0700. */
  readonly folder: string;
  readonly organisationId: string;
  /** Signer and backups never set up a token, and have a key file each of their own. */
  readonly role: 'keys' | 'signer' | 'backup';
  /**
   * Nothing was ever protected by this store, so it may be set up where there is none. Later a store that is
   * not there is missing: an empty one in its place would hide that and would never open anything.
   */
  readonly first: boolean;
  /** A call of the token never came back: only an end of this process helps, and its parent starts another. */
  readonly onHung?: () => void;
}

type Opener<K extends KeyStoreChoice['kind']> = (
  choice: Extract<KeyStoreChoice, { kind: K }>,
  place: KeyStorePlace,
) => Promise<KeyStore>;

const openers: { readonly [K in KeyStoreChoice['kind']]: Opener<K> } = {
  pkcs11: (choice, place) => {
    const profile = loadProfile(choice.profile);
    return openThreadedStore({
      module: moduleOf(choice),
      profile,
      folder: place.folder,
      label: choice.tokenLabel,
      organisationId: place.organisationId,
      pin: choice.pin === undefined ? undefined : Secret.fromText(choice.pin),
      provision: place.role === 'keys' && place.first,
      hardwareOnly: choice.hardwareOnly ?? false,
      onHung: place.onHung,
    });
  },
  keyfile: async (choice, place) => {
    const path = join(place.folder, `${place.role}.sealed`);
    // Before the passphrase, which would be made as well.
    if (!place.first && !existsSync(path)) {
      throw new PostsealError('key.store-missing', { file: path });
    }
    return openKeyfileStore({
      path,
      passphrase:
        choice.passphrase === undefined
          ? await ensurePin(place.folder, `${place.role}-passphrase`)
          : Secret.fromText(choice.passphrase),
      organisationId: place.organisationId,
    });
  },
};

/** Absolute path of the module. @throws PostsealError `key.module-missing`, `config.invalid`. */
export function moduleOf(choice: Extract<KeyStoreChoice, { kind: 'pkcs11' }>): string {
  const known = choice.module === undefined ? loadProfile(choice.profile).modules : [choice.module];
  const found = known.find((path) => existsSync(path));
  if (found !== undefined) return found;
  const fields = choice.module === undefined ? {} : { module: choice.module };
  throw new PostsealError('key.module-missing', { profile: choice.profile, ...fields });
}

/** What a choice is before anybody has asked the token. @throws PostsealError `config.invalid`. */
export function declaredClass(choice: KeyStoreChoice): TokenClass {
  return choice.kind === 'keyfile' ? 'keyfile' : loadProfile(choice.profile).tokenClass;
}

/**
 * @throws PostsealError `key.store-missing`, `key.module-missing`, `key.token`, `key.pin`, `key.pin-locked`,
 * `key.passphrase`, `key.software-token`, `key.unavailable`.
 */
export async function openKeyStore(
  choice: KeyStoreChoice,
  place: KeyStorePlace,
): Promise<KeyStore> {
  if (place.first) mkdirSync(place.folder, { recursive: true, mode: 0o700 });
  return choice.kind === 'pkcs11' ? openers.pkcs11(choice, place) : openers.keyfile(choice, place);
}
