// Canonical JSON of ledger leaves and side records: RFC 8785 restricted by docs/formats/leaf.md.
// Applied once, on write; the stored bytes are hashed and never encoded again, except to check them.
// Invariants: integers within +-(2^53-1) only, well-formed strings, nesting of at most 16.
import { InvariantViolation } from '../../kernel/errors.ts';

export type JsonValue =
  null | boolean | number | string | readonly JsonValue[] | { readonly [name: string]: JsonValue };

/** Arrays and objects inside each other; a leaf needs four. */
export const canonicalDepthMax = 16;

/**
 * The one text of `value`: no white space, names sorted by UTF-16 code units, shortest escapes.
 * Throws `InvariantViolation` on a fraction, an unsafe integer, a lone surrogate or deep nesting.
 */
export function canonicalJson(value: JsonValue): string {
  return encode(value, 0);
}

/** `canonicalJson` as UTF-8. */
export function canonicalBytes(value: JsonValue): Buffer {
  return Buffer.from(encode(value, 0), 'utf8');
}

/**
 * Decodes bytes that must be canonical. Returns `undefined` for anything else: bad UTF-8, a
 * duplicate name, white space, another order of names, a number that is not a plain integer.
 */
export function parseCanonical(bytes: Uint8Array): JsonValue | undefined {
  try {
    const text = decoder.decode(bytes);
    const value = JSON.parse(text) as JsonValue;
    return encode(value, 0) === text ? value : undefined;
  } catch {
    // Whatever the parser or the encoder dislikes is by definition not canonical.
    return undefined;
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function encode(value: JsonValue, depth: number): string {
  if (typeof value === 'string') return encodeString(value);
  if (typeof value === 'number') return encodeNumber(value);
  if (value === null) return 'null';
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (depth >= canonicalDepthMax) throw new InvariantViolation('canonical JSON is nested too deep');
  if (Array.isArray(value)) return encodeArray(value as readonly JsonValue[], depth);
  return encodeObject(value as { readonly [name: string]: JsonValue }, depth);
}

function encodeString(value: string): string {
  if (!value.isWellFormed())
    throw new InvariantViolation('canonical JSON refuses a lone surrogate');
  return JSON.stringify(value);
}

function encodeNumber(value: number): string {
  if (!Number.isSafeInteger(value)) {
    throw new InvariantViolation('canonical JSON takes integers within +-(2^53-1) only');
  }
  return value === 0 ? '0' : String(value);
}

function encodeArray(value: readonly JsonValue[], depth: number): string {
  let out = '[';
  for (let i = 0; i < value.length; i += 1) {
    if (i > 0) out += ',';
    out += encode(value[i] ?? null, depth + 1);
  }
  return `${out}]`;
}

function encodeObject(value: { readonly [name: string]: JsonValue }, depth: number): string {
  // The default sort compares UTF-16 code units, which is the order of RFC 8785 §3.2.3.
  const names = Object.keys(value).sort();
  let out = '{';
  for (const name of names) {
    const member = value[name];
    if (member === undefined) continue;
    if (out.length > 1) out += ',';
    out += `${encodeString(name)}:${encode(member, depth + 1)}`;
  }
  return `${out}}`;
}
