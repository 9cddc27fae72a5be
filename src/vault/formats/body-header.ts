// Header and key schedule of a sealed body: docs/formats/body.md, "Header". Pure.
import { hkdfSync } from 'node:crypto';
import { concatBytes, equalBytes } from '../../kernel/bytes.ts';
import { assert } from '../../kernel/errors.ts';
import { uuidFromBytes, uuidToBytes } from '../../kernel/ids.ts';
import { ascii, readU8 } from './binary.ts';
import { formatFailure } from './failure.ts';

/** What the plaintext of a body is, by its version: the octets themselves, or a recipe of them. */
export const bodyVersions = { octets: 1, recipe: 2 } as const;
export type BodyForm = keyof typeof bodyVersions;
/** HKDF-SHA256 and AES-256-GCM. */
export const bodySuite = 1;
export const bodyHeaderBytes = 56;
export const dekBytes = 32;
const chunkSizePower = 16;
const committedBytes = 24;

const magic = ascii('PSBD');
const label = ascii('postseal/body/1');

/** Codec of a body: `zstd` compresses each chunk that gets shorter by it. */
export const bodyCodecs = { none: 0, zstd: 1 } as const;
export type BodyCodec = keyof typeof bodyCodecs;

/** What sealing and opening of chunks needs. `chunkKey` is secret. */
export interface BodyKeys {
  readonly form: BodyForm;
  readonly codec: BodyCodec;
  readonly header: Uint8Array;
  readonly chunkKey: Uint8Array;
}

/** Header and keys of a new body. */
export function startBody(
  dek: Uint8Array,
  contentId: string,
  codec: BodyCodec,
  form: BodyForm = 'octets',
): BodyKeys {
  const start = concatBytes([
    magic,
    Uint8Array.of(bodyVersions[form], bodySuite, bodyCodecs[codec], chunkSizePower),
    uuidToBytes(contentId),
  ]);
  const { chunkKey, commitment } = deriveKeys(dek, start);
  return { form, codec, header: concatBytes([start, commitment]), chunkKey };
}

/**
 * Checks a header against the content that is asked for and derives its keys. Throws IntegrityError of
 * kind `format`, `identity` or `commitment`.
 */
export function openBodyHeader(dek: Uint8Array, contentId: string, header: Uint8Array): BodyKeys {
  const known = readBodyHeader(header);
  if (known.contentId !== contentId) throw formatFailure('body', 'identity', 'another content');
  const { chunkKey, commitment } = deriveKeys(dek, header.subarray(0, committedBytes));
  if (!equalBytes(commitment, header.subarray(committedBytes, bodyHeaderBytes))) {
    chunkKey.fill(0);
    throw formatFailure('body', 'commitment', 'key commitment');
  }
  // A copy, because the caller may reuse its read buffer.
  return {
    form: known.form,
    codec: known.codec,
    header: header.slice(0, bodyHeaderBytes),
    chunkKey,
  };
}

/** What a header says, without a key and unauthenticated. Throws `format`. */
export function readBodyHeader(header: Uint8Array): {
  contentId: string;
  codec: BodyCodec;
  form: BodyForm;
} {
  if (header.length < bodyHeaderBytes) throw formatFailure('body', 'format', 'length');
  if (!equalBytes(header.subarray(0, 4), magic)) throw formatFailure('body', 'format', 'magic');
  const form = nameOf(bodyVersions, readU8(header, 4), 'version');
  if (readU8(header, 5) !== bodySuite) throw formatFailure('body', 'format', 'suite');
  if (readU8(header, 7) !== chunkSizePower) throw formatFailure('body', 'format', 'chunk size');
  const codec = nameOf(bodyCodecs, readU8(header, 6), 'codec');
  return { contentId: uuidFromBytes(header.subarray(8, committedBytes)), codec, form };
}

function nameOf<N extends string>(
  names: Readonly<Record<N, number>>,
  code: number,
  what: string,
): N {
  for (const [name, value] of Object.entries(names)) if (value === code) return name as N;
  throw formatFailure('body', 'format', what);
}

function deriveKeys(
  dek: Uint8Array,
  salt: Uint8Array,
): { chunkKey: Uint8Array; commitment: Uint8Array } {
  assert(dek.length === dekBytes, 'a data key has 32 bytes');
  const okm = new Uint8Array(hkdfSync('sha256', dek, salt, label, 64));
  return { chunkKey: okm.subarray(0, 32), commitment: okm.subarray(32) };
}
