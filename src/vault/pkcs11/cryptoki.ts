// Loads a PKCS#11 module and finds the slot of our token. Everything here runs at connect only; the
// calls of the data path are in session-pool.ts. Source: PKCS #11 v2.40 §5.4–5.6.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pkcs11js from 'pkcs11js';
import type { Handle, PKCS11, TokenInfo } from 'pkcs11js';
import { PostsealError } from '../../kernel/errors.ts';
import type { TokenProfile } from './profile.ts';
import { isAlreadyInitialised, tokenFailure } from './token-errors.ts';

export interface ModuleOptions {
  /** Absolute path of the shared library. */
  readonly module: string;
  readonly profile: TokenProfile;
  /** The home's `keys/` folder; the token's own folder is made below it where the profile has one. */
  readonly folder: string;
  /** May that folder be made? */
  readonly provision: boolean;
}

export interface Cryptoki {
  readonly api: PKCS11;
  /** C_Initialize; false if somebody else in this process did it, who then also ends it. */
  initialise(): boolean;
  finalise(): void;
}

/**
 * Loads the library. @throws PostsealError `key.token` when it cannot be loaded, `key.store-missing` when the
 * token's folder is not there and may not be made.
 */
export function loadModule(options: ModuleOptions): Cryptoki {
  const tokenFolder = join(options.folder, 'token');
  if (options.profile.configuration !== undefined || usesFolder(options.profile)) {
    if (options.provision) mkdirSync(tokenFolder, { recursive: true, mode: 0o700 });
    // The module would make an empty one, and the true one could not be put back into its place.
    else if (!existsSync(tokenFolder)) {
      throw new PostsealError('key.store-missing', { folder: tokenFolder });
    }
  }
  writeConfiguration(options, tokenFolder);
  const api = new pkcs11js.PKCS11();
  try {
    api.load(options.module);
  } catch (error) {
    throw new PostsealError('key.token', { call: 'load', module: options.module }, error);
  }
  const parameters = options.profile.libraryParameters?.replaceAll('{folder}', tokenFolder);
  return {
    api,
    initialise: () => {
      try {
        api.C_Initialize({
          // Asynchronous calls run on several threads. Without this flag the module may leave out all
          // locking (§5.4), and SoftHSM then corrupts its memory.
          flags: pkcs11js.CKF_OS_LOCKING_OK,
          ...(parameters === undefined ? {} : { libraryParameters: parameters }),
        });
        return true;
      } catch (error) {
        if (isAlreadyInitialised(error)) return false;
        throw tokenFailure(error, 'C_Initialize');
      }
    },
    finalise: () => {
      api.C_Finalize();
    },
  };
}

function usesFolder(profile: TokenProfile): boolean {
  return profile.libraryParameters?.includes('{folder}') ?? false;
}

/** SoftHSM reads the file named by SOFTHSM2_CONF at C_Initialize; /etc/softhsm is closed to users. */
function writeConfiguration(options: ModuleOptions, tokenFolder: string): void {
  const { configuration } = options.profile;
  if (configuration === undefined) return;
  const path = join(options.folder, `${options.profile.name}.conf`);
  writeFileSync(path, configuration.text.replaceAll('{folder}', tokenFolder), { mode: 0o600 });
  process.env[configuration.environment] = path;
}

export interface FoundToken {
  readonly slot: Handle;
  readonly info: TokenInfo;
}

/**
 * The slot that holds our token; undefined if there is none.
 * @throws PostsealError `key.token` for two of one label: which one has the keys is not to be guessed.
 */
export function findToken(
  api: PKCS11,
  profile: TokenProfile,
  label: string,
): FoundToken | undefined {
  const found: FoundToken[] = [];
  for (const slot of api.C_GetSlotList(true)) {
    const info = api.C_GetTokenInfo(slot);
    const matches =
      profile.slot.by === 'label'
        ? padded(info.label) === label && hasFlag(info, pkcs11js.CKF_TOKEN_INITIALIZED)
        : padded(api.C_GetSlotInfo(slot).slotDescription).includes(profile.slot.text);
    if (matches) found.push({ slot, info });
  }
  if (found.length > 1) throw new PostsealError('key.token', { reason: 'ambiguous-token', label });
  return found[0];
}

export function hasFlag(info: TokenInfo, flag: number): boolean {
  return (info.flags & flag) !== 0;
}

/** Fixed-width text fields end in blanks, or in zero bytes where the module is careless. */
export function padded(text: string): string {
  return text.replace(/[\0 ]+$/, '');
}
