// One-dimensional arrays in PostgreSQL's binary wire form, for `UNNEST($1::bytea[], $2::int8[])`:
// the driver sends a Buffer as a binary parameter, so no element is turned into text or hex.
// Source: PostgreSQL, src/backend/utils/adt/arrayfuncs.c (array_recv) and the types' *recv functions.
import { InvariantViolation } from '../../kernel/errors.ts';

const oid = { bool: 16, bytea: 17, int8: 20, int4: 23, text: 25, timestamptz: 1184, uuid: 2950 };
/** 2000-01-01T00:00:00Z, PostgreSQL's epoch, in Unix milliseconds. */
const epochMs = 946_684_800_000;
const headerBytes = 20;

/** For `$n::bytea[]`. */
export function byteaArray(values: readonly (Uint8Array | null)[]): Buffer {
  return variable(oid.bytea, values);
}

/** For `$n::text[]`. */
export function textArray(values: readonly (string | null)[]): Buffer {
  return variable(
    oid.text,
    values.map((value) => (value === null ? null : Buffer.from(value, 'utf8'))),
  );
}

/** For `$n::uuid[]`; takes the hyphenated form. */
export function uuidArray(values: readonly (string | null)[]): Buffer {
  return variable(
    oid.uuid,
    values.map((value) => (value === null ? null : uuidBytes(value))),
  );
}

/** For `$n::int8[]`; numbers must be safe integers. */
export function int8Array(values: readonly (number | bigint | null)[]): Buffer {
  return fixed(oid.int8, 8, values, (out, at, value) => out.writeBigInt64BE(BigInt(value), at));
}

/** For `$n::int4[]`. */
export function int4Array(values: readonly (number | null)[]): Buffer {
  return fixed(oid.int4, 4, values, (out, at, value) => out.writeInt32BE(value, at));
}

/** For `$n::boolean[]`. */
export function boolArray(values: readonly (boolean | null)[]): Buffer {
  return fixed(oid.bool, 1, values, (out, at, value) => out.writeUInt8(value ? 1 : 0, at));
}

/** For `$n::timestamptz[]`; takes Unix milliseconds. */
export function timestamptzArray(values: readonly (number | null)[]): Buffer {
  return fixed(oid.timestamptz, 8, values, (out, at, value) =>
    out.writeBigInt64BE(BigInt(Math.round((value - epochMs) * 1_000)), at),
  );
}

function fixed<T>(
  element: number,
  bytes: number,
  values: readonly (T | null)[],
  write: (out: Buffer, at: number, value: T) => void,
): Buffer {
  const nulls = values.filter((value) => value === null).length;
  const out = Buffer.allocUnsafe(headerBytes + values.length * (4 + bytes) - nulls * bytes);
  let at = writeHeader(out, element, values.length, nulls > 0);
  for (const value of values) {
    at = out.writeInt32BE(value === null ? -1 : bytes, at);
    if (value === null) continue;
    write(out, at, value);
    at += bytes;
  }
  return out;
}

function variable(element: number, values: readonly (Uint8Array | null)[]): Buffer {
  let size = headerBytes + values.length * 4;
  for (const value of values) size += value?.byteLength ?? 0;
  const out = Buffer.allocUnsafe(size);
  let at = writeHeader(out, element, values.length, values.includes(null));
  for (const value of values) {
    at = out.writeInt32BE(value === null ? -1 : value.byteLength, at);
    if (value === null) continue;
    out.set(value, at);
    at += value.byteLength;
  }
  return out;
}

/** One dimension with lower bound 1, also when empty: UNNEST of it gives no row. */
function writeHeader(out: Buffer, element: number, count: number, nulls: boolean): number {
  out.writeInt32BE(1, 0);
  out.writeInt32BE(nulls ? 1 : 0, 4);
  out.writeInt32BE(element, 8);
  out.writeInt32BE(count, 12);
  return out.writeInt32BE(1, 16);
}

function uuidBytes(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  if (bytes.byteLength !== 16) throw new InvariantViolation('a uuid has 16 bytes');
  return bytes;
}
