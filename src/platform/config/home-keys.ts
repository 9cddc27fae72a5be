// Which key store a home uses: kept in the home itself from its first start on, once its keys were found there.
// From then on neither another checkout's set-up nor a changed configuration can make it use another store, in
// which its keys are not and where new ones would lie apart. keys/README.md describes the file.
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';
import type { KeysConfig } from './config.ts';

export type HomeKeys =
  | {
      readonly kind: 'pkcs11';
      /** A file of keys/profiles/ without its ending. */
      readonly profile: string;
      /** Absolute path of the module. */
      readonly module: string;
      readonly tokenLabel: string;
    }
  | { readonly kind: 'keyfile' };

/** What a configuration file says of the key store itself; what it leaves open is undefined. */
export interface NamedKeys {
  readonly store?: string;
  readonly pkcs11?: {
    readonly profile?: string;
    readonly module?: string;
    readonly tokenLabel?: string;
  };
}

export const homeKeysFile = 'key-store.json';
const format = 'postseal/key-store/1';

/** Undefined for a home that has no such file yet. @throws PostsealError `key.store-mismatch` for one that cannot be read. */
export function readHomeKeys(home: string): HomeKeys | undefined {
  const path = join(home, homeKeysFile);
  if (!existsSync(path)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new PostsealError('key.store-mismatch', { file: path, what: 'cannot be read' }, error);
  }
  const keys = homeKeysOf(value);
  if (keys === undefined) {
    throw new PostsealError('key.store-mismatch', { file: path, what: 'is not of a known form' });
  }
  return keys;
}

function homeKeysOf(value: unknown): HomeKeys | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const row = value as Partial<Record<string, unknown>>;
  if (row['format'] !== format) return undefined;
  if (row['kind'] === 'keyfile') return { kind: 'keyfile' };
  const { kind, profile, module, tokenLabel } = row;
  if (kind !== 'pkcs11' || typeof profile !== 'string') return undefined;
  if (typeof module !== 'string' || typeof tokenLabel !== 'string') return undefined;
  return { kind, profile, module, tokenLabel };
}

/** Durable when it returns; the old file or the new one is there at any time. */
export function writeHomeKeys(home: string, keys: HomeKeys): void {
  const path = join(home, homeKeysFile);
  const file = openSync(`${path}.new`, 'w', 0o600);
  try {
    writeFileSync(file, `${JSON.stringify({ format, ...keys }, null, 2)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
  const folder = openSync(home, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/**
 * The key store of a home that knows its own. Only the path of the module may be named anew: a module moves
 * with an upgrade, and whether the keys are behind it is proved at the start.
 * @throws PostsealError `key.store-mismatch` where the configuration names another store.
 */
export function keysOfHome(
  keys: HomeKeys,
  configured: Pick<KeysConfig, 'pkcs11' | 'keyfile'>,
  named: NamedKeys,
): KeysConfig {
  const others = differences(keys, named);
  if (Object.keys(others).length > 0) throw new PostsealError('key.store-mismatch', others);
  if (keys.kind === 'keyfile') return { ...configured, store: 'keyfile', chosenBy: 'home' };
  const { profile, tokenLabel } = keys;
  const module = named.pkcs11?.module === undefined ? keys.module : configured.pkcs11.module;
  const pkcs11 = { ...configured.pkcs11, profile, tokenLabel, module };
  return { ...configured, store: 'pkcs11', chosenBy: 'home', pkcs11 };
}

/** By JSON pointer: what the configuration names and what the home has instead. */
function differences(keys: HomeKeys, named: NamedKeys): Record<string, string> {
  const { store, pkcs11 = {} } = named;
  // A module that is named means a token, as it does without a home.
  const kind = store === 'auto' || store === undefined ? pkcs11.module && 'pkcs11' : store;
  const rows: [at: string, named: string | undefined, ofHome: string][] = [
    ['/keys/store', kind, keys.kind],
  ];
  if (keys.kind === 'pkcs11') {
    rows.push(['/keys/pkcs11/profile', pkcs11.profile, keys.profile]);
    rows.push(['/keys/pkcs11/tokenLabel', pkcs11.tokenLabel, keys.tokenLabel]);
  }
  const found = rows.filter(([, one, ofHome]) => one !== undefined && one !== ofHome);
  return Object.fromEntries(
    found.map(([at, one, ofHome]) => [at, `${one ?? ''}, but the home has ${ofHome}`]),
  );
}
