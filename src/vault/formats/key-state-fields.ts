// How one value of a key-state record is written: docs/formats/key-state.md "Values". Pure.
import { assert } from '../../kernel/errors.ts';
import { uuidFromBytes, uuidToBytes } from '../../kernel/ids.ts';
import { readU16, readU32, readU64, readU8, writeU16, writeU32, writeU64 } from './binary.ts';
import { formatFailure } from './failure.ts';

export const keyStates = { live: 1, retired: 2, destroyed: 3 } as const;
export type StoredKeyState = keyof typeof keyStates;

/** What a field is in memory. `time`: Unix milliseconds, null where there is none. */
export interface FieldValues {
  readonly uuid: string;
  readonly u32: number;
  readonly u64: number;
  readonly flag: boolean;
  readonly state: StoredKeyState;
  readonly time: number | null;
  readonly text: string;
  readonly wrap: Uint8Array | null;
  readonly blob: Uint8Array;
}
export type FieldKind = keyof FieldValues;

interface Codec<V> {
  write(value: V): Uint8Array;
  /** Value at `at`, and where the next one begins. */
  read(bytes: Uint8Array, at: number): readonly [value: V, next: number];
}

export const refuseKeyState = (what: string): never => {
  throw formatFailure('key-state', 'format', what);
};

function numbered(
  size: number,
  put: (bytes: Uint8Array, at: number, value: number) => void,
  get: (bytes: Uint8Array, at: number) => number | undefined,
): Codec<number> {
  return {
    write(value) {
      const out = new Uint8Array(size);
      put(out, 0, value);
      return out;
    },
    read(bytes, at) {
      return [get(need(bytes, at, size), at) ?? refuseKeyState('a number'), at + size];
    },
  };
}

/** `bytes`, in which `size` octets are left at `at`. */
function need(bytes: Uint8Array, at: number, size: number): Uint8Array {
  if (at + size > bytes.length) refuseKeyState('length of a record');
  return bytes;
}

const u32 = numbered(4, writeU32, readU32);
const u64 = numbered(8, writeU64, readU64);
const u16 = numbered(2, writeU16, readU16);

/** Bytes behind their length. */
function sized(length: Codec<number>): Codec<Uint8Array> {
  return {
    write(value) {
      const head = length.write(value.length);
      const out = new Uint8Array(head.length + value.length);
      out.set(head);
      out.set(value, head.length);
      return out;
    },
    read(bytes, at) {
      const [size, from] = length.read(bytes, at);
      return [need(bytes, from, size).slice(from, from + size), from + size];
    },
  };
}

const short = sized(u16);
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function readText(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return refuseKeyState('text');
  }
}

export const fieldCodecs: { readonly [K in FieldKind]: Codec<FieldValues[K]> } = {
  u32,
  u64,
  uuid: {
    write: uuidToBytes,
    read: (bytes, at) => [uuidFromBytes(need(bytes, at, 16).subarray(at, at + 16)), at + 16],
  },
  flag: {
    write: (value) => Uint8Array.of(value ? 1 : 0),
    read(bytes, at) {
      const code = readU8(need(bytes, at, 1), at);
      if (code > 1) refuseKeyState('a flag');
      return [code === 1, at + 1];
    },
  },
  state: {
    write: (value) => Uint8Array.of(keyStates[value]),
    read(bytes, at) {
      const code = readU8(need(bytes, at, 1), at);
      const found = (Object.keys(keyStates) as StoredKeyState[]).find((s) => keyStates[s] === code);
      return [found ?? refuseKeyState('a state'), at + 1];
    },
  },
  time: {
    write(value) {
      assert(value !== 0, 'a time is not 0');
      return u64.write(value ?? 0);
    },
    read(bytes, at) {
      const [value, next] = u64.read(bytes, at);
      return [value === 0 ? null : value, next];
    },
  },
  text: {
    write: (value) => short.write(new TextEncoder().encode(value)),
    read(bytes, at) {
      const [value, next] = short.read(bytes, at);
      return [readText(value), next];
    },
  },
  wrap: {
    write: (value) => short.write(value ?? new Uint8Array(0)),
    read(bytes, at) {
      const [value, next] = short.read(bytes, at);
      return [value.length === 0 ? null : value, next];
    },
  },
  blob: sized(u32),
};
