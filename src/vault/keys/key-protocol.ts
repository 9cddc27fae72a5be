// The frames between nodes and the key service on the Unix socket. Binary, because a key a call would
// otherwise cost more in JSON than in cryptography. Both ends are of one version and one machine; this
// is no stored format. Frame: u32 length ‖ calls; call: u32 id ‖ u8 code ‖ u32 length ‖ payload.
import { assert, InvariantViolation } from '../../kernel/errors.ts';
import type { CustodianId } from '../../kernel/ids.ts';
import { wrapBytes } from '../formats/wrap.ts';
import type { GrantPurpose, KeySlot, WrapPurpose, WriteSlot } from './types.ts';

export const operations = {
  ensureCustodian: 1,
  wrap: 2,
  rewrap: 3,
  open: 4,
  writeKey: 5,
  status: 6,
  generation: 7,
  inventory: 8,
} as const;
export type OperationCode = (typeof operations)[keyof typeof operations];

export const answers = { ok: 0, error: 1 } as const;

/** A longer frame ends the connection. */
export const frameBytesMax = 4 * 1_048_576;
/** Items of one call; clients split what is longer. */
export const itemsPerCallMax = 512;
export const keyBytes = 32;
const lengthBytes = 4;
const callHeadBytes = 9;

/** Codes of this protocol, by position; both ends run the same program. */
const wrapPurposes: readonly WrapPurpose[] = [
  'dek',
  'cell',
  'page',
  'names',
  'side-record',
  'segment',
  'part',
];
const grantPurposes: readonly GrantPurpose[] = [
  'owner-read',
  'owner-search',
  'sign-in',
  'dpo',
  'case',
  'verify',
  'maintenance',
];
const writeSlots: readonly WriteSlot[] = ['side-record', 'names', 'dedup'];

export interface Call {
  readonly id: number;
  /** Operation of a request, or answer code. */
  readonly code: number;
  readonly payload: Buffer;
}

/** One frame of `calls`. */
export function encodeFrame(calls: readonly Call[]): Buffer {
  let size = lengthBytes;
  for (const call of calls) size += callHeadBytes + call.payload.length;
  const out = Buffer.alloc(size);
  let at = out.writeUInt32BE(size - lengthBytes, 0);
  for (const { id, code, payload } of calls) {
    at = out.writeUInt32BE(id, at);
    at = out.writeUInt8(code, at);
    at = out.writeUInt32BE(payload.length, at);
    at += payload.copy(out, at);
  }
  return out;
}

/** The calls of a frame's content; payloads are copies of their own. Throws `InvariantViolation`. */
export function decodeCalls(content: Buffer): Call[] {
  const reader = new ByteReader(content);
  const calls: Call[] = [];
  while (!reader.done) {
    const id = reader.u32();
    const code = reader.u8();
    calls.push({ id, code, payload: Buffer.from(reader.bytes(reader.u32())) });
  }
  return calls;
}

/** Cuts a stream of chunks into frames. Chunks are zeroed once they are copied: they carry keys. */
export class FrameSplitter {
  #pending: Buffer[] = [];
  #length = 0;

  /** Contents of the frames that are complete now. Throws `InvariantViolation` above the limit. */
  push(chunk: Buffer): Buffer[] {
    this.#pending.push(chunk);
    this.#length += chunk.length;
    const frames: Buffer[] = [];
    if (this.#length < this.#wanted()) return frames;
    const all = Buffer.concat(this.#pending);
    for (const part of this.#pending) part.fill(0);
    let at = 0;
    while (all.length - at >= lengthBytes) {
      const size = all.readUInt32BE(at);
      assert(size <= frameBytesMax, 'a frame of the key service is too long');
      if (all.length - at - lengthBytes < size) break;
      frames.push(all.subarray(at + lengthBytes, at + lengthBytes + size));
      at += lengthBytes + size;
    }
    this.#pending = at < all.length ? [Buffer.from(all.subarray(at))] : [];
    this.#length = all.length - at;
    return frames;
  }

  /** Bytes needed before another look pays. */
  #wanted(): number {
    const [first] = this.#pending;
    if (first === undefined || this.#length < lengthBytes) return lengthBytes;
    const head = first.length >= lengthBytes ? first : Buffer.concat(this.#pending, lengthBytes);
    return Math.min(head.readUInt32BE(0), frameBytesMax) + lengthBytes;
  }
}

const zeroUuid = '00000000-0000-0000-0000-000000000000';

/** Builds a payload; the size is known beforehand, so nothing is copied twice. */
export class ByteWriter {
  readonly bytes: Buffer;
  #at = 0;
  constructor(size: number) {
    this.bytes = Buffer.alloc(size);
  }
  u8(value: number): this {
    this.#at = this.bytes.writeUInt8(value, this.#at);
    return this;
  }
  u32(value: number): this {
    this.#at = this.bytes.writeUInt32BE(value, this.#at);
    return this;
  }
  raw(value: Uint8Array): this {
    this.bytes.set(value, this.#at);
    this.#at += value.length;
    return this;
  }
  uuid(text: string): this {
    const written = this.bytes.write(text.replaceAll('-', ''), this.#at, 16, 'hex');
    assert(written === 16 && text.length === 36, 'not a uuid');
    this.#at += 16;
    return this;
  }
  slot(slot: KeySlot): this {
    assert(Number.isSafeInteger(slot.group) && slot.group >= 0, 'not a group number');
    this.uuid(slot.custodian);
    this.#at = this.bytes.writeUIntBE(slot.group, this.#at, 6);
    return this.u8(indexOf(wrapPurposes, slot.purpose)).uuid(slot.objectId);
  }
  grantPurpose(purpose: GrantPurpose): this {
    return this.u8(indexOf(grantPurposes, purpose));
  }
  writeSlot(slot: WriteSlot, owner: CustodianId | 'organisation'): this {
    this.u8(indexOf(writeSlots, slot));
    return this.uuid(owner === 'organisation' ? zeroUuid : owner);
  }
}

/** Bytes of a slot in a payload. */
export const slotBytes = 16 + 6 + 1 + 16;

/** Reads a payload. Every method throws `InvariantViolation` past the end. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  get done(): boolean {
    return this.#at === this.#bytes.length;
  }
  u8(): number {
    return this.bytes(1).readUInt8(0);
  }
  u32(): number {
    return this.bytes(4).readUInt32BE(0);
  }
  /** A view into the payload. */
  bytes(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new InvariantViolation('a call ends too early');
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }
  uuid(): string {
    const hex = this.bytes(16).toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }
  slot(): KeySlot {
    const custodian = this.uuid() as CustodianId;
    const group = this.bytes(6).readUIntBE(0, 6);
    const purpose = at(wrapPurposes, this.u8());
    return { custodian, group, purpose, objectId: this.uuid() };
  }
  grantPurpose(): GrantPurpose {
    return at(grantPurposes, this.u8());
  }
  writeSlot(): { slot: WriteSlot; owner: CustodianId | 'organisation' } {
    const slot = at(writeSlots, this.u8());
    const owner = this.uuid();
    return { slot, owner: owner === zeroUuid ? 'organisation' : (owner as CustodianId) };
  }
  /** All that is left, which both ends of one version agree on. */
  json(): unknown {
    const text = this.bytes(this.#bytes.length - this.#at).toString('utf8');
    return JSON.parse(text);
  }
  /** A wrap, or nothing where the slot's own key is asked for. */
  wrap(): Buffer {
    return this.bytes(this.u8() === 0 ? 0 : wrapBytes);
  }
}

function indexOf<T>(list: readonly T[], value: T): number {
  const index = list.indexOf(value);
  assert(index >= 0, 'a value that the protocol does not know');
  return index;
}

function at<T>(list: readonly T[], index: number): T {
  const value = list[index];
  if (value === undefined) throw new InvariantViolation('a code that the protocol does not know');
  return value;
}
