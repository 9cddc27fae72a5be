// What Postseal must know of a token beyond PKCS #11: one JSON file a product in keys/profiles/,
// described by keys/profiles/schema.json. Suites and quirks are data here, never branches in code.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PostsealError } from '../../kernel/errors.ts';
import { compileSchema, type JsonSchema } from '../../platform/schema/validator.ts';
import type { KekSuite } from '../keys/kek-blob.ts';

export interface TokenProfile {
  readonly name: string;
  readonly product: string;
  readonly tokenClass: 'hsm' | 'software-token';
  /** What module and token report as their manufacturer, without padding. */
  readonly manufacturers: readonly string[];
  /** Where distributions put the module; the first that exists is used when none is configured. */
  readonly modules: readonly string[];
  /** How the slot is found: by the token's label, or by a fixed text in the slot's description. */
  readonly slot: { readonly by: 'label' } | { readonly by: 'description'; readonly text: string };
  /** `init-token`: C_InitToken and C_InitPIN; `init-pin`: C_InitPIN alone; `none`: by the officers. */
  readonly provision: 'init-token' | 'init-pin' | 'none';
  /** SO PIN of a token that was never set up, where it is fixed. */
  readonly factorySoPin?: string;
  /** How a KEK may work, preferred first; the token decides which of them are possible. */
  readonly kekMechanisms: readonly KekSuite[];
  /** The vendor's own number of AES-KWP beside that of PKCS #11 v3.0. */
  readonly kwpMechanism?: number;
  /** Layout of CK_GCM_PARAMS; `probe` tries both on a session key at connect. */
  readonly gcmParameters: 'probe' | 'v2.20' | 'v2.40';
  /** Text for C_Initialize with `{folder}` for the token's folder; NSS wants one. */
  readonly libraryParameters?: string;
  /** A file to write before the module is loaded, and the environment variable that names it. */
  readonly configuration?: { readonly environment: string; readonly text: string };
  /** Whether CKA_LOCAL tells truly that a key was generated inside. */
  readonly reportsLocal: boolean;
  /** Sessions that gain anything; the pool is never larger. */
  readonly sessions: number;
  /** `contract-suite`: the whole suite has passed on it; `documentation`: written from the vendor's pages. */
  readonly tested: 'contract-suite' | 'documentation';
  /** Pages that the profile was written from. */
  readonly sources: readonly string[];
  readonly notes: readonly string[];
}

/** Path of keys/profiles/. */
export const profilesFolder = fileURLToPath(new URL('../../../keys/profiles/', import.meta.url));

/** Reads and checks a profile by name. @throws PostsealError `config.invalid`. */
export function loadProfile(name: string): TokenProfile {
  if (!/^[a-z0-9-]{1,64}$/.test(name) || name === 'schema') throw refused(name, 'name');
  const profile = readJson(name);
  const validate = compileSchema(readJson('schema') as JsonSchema);
  const [finding] = validate(profile);
  if (finding !== undefined) throw refused(name, `${finding.at}: ${finding.text}`);
  return profile as TokenProfile;
}

function readJson(name: string): unknown {
  try {
    return JSON.parse(readFileSync(join(profilesFolder, `${name}.json`), 'utf8'));
  } catch (error) {
    throw refused(name, 'file', error);
  }
}

function refused(name: string, what: string, cause?: unknown): PostsealError {
  return new PostsealError(
    'config.invalid',
    { pointer: '/keys/pkcs11/profile', name, what },
    cause,
  );
}
