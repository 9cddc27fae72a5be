// The records inside a key-state file, and their reading from a stream of bytes: docs/formats/key-state.md
// "Records". Pure. Each kind is a row of the registry; its fields stand in the order of the bytes.
import { concatBytes } from '../../kernel/bytes.ts';
import { uuidFromBytes } from '../../kernel/ids.ts';
import { readU32, readU64, readU8, writeU32 } from './binary.ts';
import {
  fieldCodecs,
  type FieldKind,
  type FieldValues,
  refuseKeyState,
} from './key-state-fields.ts';

/** Codes are part of the format: append only, and records stand in the order of their codes. */
export const recordKinds = {
  state: { code: 1, fields: { takenAt: 'time', after: 'uuid', rotatedSince: 'time' } },
  generation: {
    code: 2,
    fields: {
      generation: 'u32',
      state: 'state',
      label: 'text',
      storeKind: 'text',
      tokenClass: 'text',
      createdAt: 'time',
      retiredAt: 'time',
      destroyingAt: 'time',
      destroyedAt: 'time',
    },
  },
  organisationKey: {
    code: 3,
    fields: {
      slot: 'text',
      version: 'u32',
      generation: 'u32',
      keyId: 'uuid',
      state: 'state',
      wrap: 'wrap',
    },
  },
  custodianKey: {
    code: 4,
    fields: {
      custodian: 'uuid',
      version: 'u32',
      generation: 'u32',
      keyId: 'uuid',
      state: 'state',
      wrap: 'wrap',
    },
  },
  slotKey: {
    code: 5,
    fields: {
      custodian: 'uuid',
      slot: 'text',
      version: 'u32',
      keyId: 'uuid',
      parentVersion: 'u32',
      state: 'state',
      wrap: 'wrap',
    },
  },
  groupKey: {
    code: 6,
    fields: {
      custodian: 'uuid',
      group: 'u64',
      version: 'u32',
      keyId: 'uuid',
      parentVersion: 'u32',
      state: 'state',
      marked: 'flag',
      retiredAt: 'time',
      destroyedAt: 'time',
      /** 0 where it is not known. */
      lastGeneration: 'u32',
      wrap: 'wrap',
    },
  },
  counter: { code: 7, fields: { custodian: 'uuid', nextRecordNo: 'u64' } },
  erased: {
    code: 8,
    fields: {
      custodian: 'uuid',
      record: 'uuid',
      group: 'u64',
      version: 'u32',
      executedAt: 'time',
    },
  },
  contentWrap: {
    code: 9,
    fields: { custodian: 'uuid', content: 'uuid', group: 'u32', wrap: 'wrap' },
  },
  cell: {
    code: 10,
    fields: { custodian: 'uuid', recordNo: 'u64', record: 'uuid', wrap: 'wrap' },
  },
  page: {
    code: 11,
    fields: {
      custodian: 'uuid',
      page: 'uuid',
      firstNo: 'u64',
      lastNo: 'u64',
      wrap: 'wrap',
      sealed: 'blob',
      /** Of each record of the page: its number (u64) and its id (16 bytes). */
      slots: 'blob',
    },
  },
} as const satisfies Record<
  string,
  { readonly code: number; readonly fields: Readonly<Record<string, FieldKind>> }
>;

export type RecordKind = keyof typeof recordKinds;
export type RecordOf<K extends RecordKind> = {
  readonly [
    F in keyof (typeof recordKinds)[K]['fields']
  ]: (typeof recordKinds)[K]['fields'][F] extends FieldKind
    ? FieldValues[(typeof recordKinds)[K]['fields'][F]]
    : never;
};
export type KeyStateRecord = {
  readonly [K in RecordKind]: { readonly kind: K; readonly row: RecordOf<K> };
}[RecordKind];

/** Behind the last record: how many there are. */
const endCode = 255;
const headBytes = 5;
/** A page is far smaller; a length above is damage, and not worth the memory. */
const payloadBytesMax = 16_777_216;

type Loose = Readonly<Record<string, unknown>>;
interface LooseCodec {
  write(value: unknown): Uint8Array;
  read(bytes: Uint8Array, at: number): readonly [value: unknown, next: number];
}
const codecOf = (kind: FieldKind): LooseCodec => fieldCodecs[kind];
const kindsByCode = new Map<number, RecordKind>(
  (Object.keys(recordKinds) as RecordKind[]).map((kind) => [recordKinds[kind].code, kind]),
);

function framed(code: number, payload: Uint8Array): Uint8Array {
  const head = new Uint8Array(headBytes);
  head[0] = code;
  writeU32(head, 1, payload.length);
  return concatBytes([head, payload]);
}

export function encodeRecord({ kind, row }: KeyStateRecord): Uint8Array {
  const { code, fields } = recordKinds[kind];
  const parts = Object.entries(fields).map(([name, field]) =>
    codecOf(field).write((row as Loose)[name]),
  );
  return framed(code, concatBytes(parts));
}

/** What stands behind the last of `count` records. */
export function encodeRecordsEnd(count: number): Uint8Array {
  const payload = new Uint8Array(4);
  writeU32(payload, 0, count);
  return framed(endCode, payload);
}

function decodeRecord(kind: RecordKind, payload: Uint8Array): KeyStateRecord {
  const row: Record<string, unknown> = {};
  let at = 0;
  for (const [name, field] of Object.entries(recordKinds[kind].fields)) {
    [row[name], at] = codecOf(field).read(payload, at);
  }
  if (at !== payload.length) refuseKeyState('length of a record');
  return { kind, row } as unknown as KeyStateRecord;
}

const slotBytes = 24;

/** Numbers and ids of a page's records. @throws IntegrityError of kind `format`. */
export function decodePageSlots(
  slots: Uint8Array,
): readonly { readonly recordNo: number; readonly record: string }[] {
  if (slots.length % slotBytes !== 0) refuseKeyState('slots of a page');
  return Array.from({ length: slots.length / slotBytes }, (_, i) => {
    const at = i * slotBytes;
    const recordNo = readU64(slots, at) ?? refuseKeyState('a number');
    return { recordNo, record: uuidFromBytes(slots.subarray(at + 8, at + slotBytes)) };
  });
}

/** Reads records piece by piece. @throws IntegrityError of kind `format`. */
export class KeyStateDecoder {
  #held: Uint8Array = new Uint8Array(0);
  #count = 0;
  #code = 0;
  #ended = false;

  push(bytes: Uint8Array): KeyStateRecord[] {
    this.#held = this.#held.length === 0 ? bytes : concatBytes([this.#held, bytes]);
    const out: KeyStateRecord[] = [];
    let at = 0;
    while (this.#held.length - at >= headBytes) {
      const length = readU32(this.#held, at + 1);
      if (length > payloadBytesMax) refuseKeyState('length of a record');
      const end = at + headBytes + length;
      if (end > this.#held.length) break;
      const record = this.#take(readU8(this.#held, at), this.#held.slice(at + headBytes, end));
      if (record !== undefined) out.push(record);
      at = end;
    }
    this.#held = this.#held.slice(at);
    return out;
  }

  /** Nothing follows and nothing is missing. */
  end(): void {
    if (!this.#ended || this.#held.length > 0) refuseKeyState('end');
  }

  #take(code: number, payload: Uint8Array): KeyStateRecord | undefined {
    if (this.#ended) refuseKeyState('bytes behind the end');
    if (code === endCode) {
      if (payload.length !== 4 || readU32(payload, 0) !== this.#count) refuseKeyState('count');
      this.#ended = true;
      return undefined;
    }
    const kind = kindsByCode.get(code) ?? refuseKeyState('kind of a record');
    const isFirst = this.#count === 0;
    if (isFirst !== (kind === 'state') || code < this.#code) refuseKeyState('order of records');
    this.#code = code;
    this.#count += 1;
    return decodeRecord(kind, payload);
  }
}
