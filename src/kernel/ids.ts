// Identifiers of the domain. All uuids are lower-case text with hyphens in memory, `uuid` in
// PostgreSQL, and 16 raw bytes in formats (docs/formats/).
import type { Brand } from './brand.ts';

export type OrganisationId = Brand<string, 'OrganisationId'>;
export type CustodianId = Brand<string, 'CustodianId'>;
export type RecordId = Brand<string, 'RecordId'>;
export type ContentId = Brand<string, 'ContentId'>;
export type AccountId = Brand<string, 'AccountId'>;
export type MailboxId = Brand<string, 'MailboxId'>;
export type PersonId = Brand<string, 'PersonId'>;
export type EventId = Brand<string, 'EventId'>;
export type SessionId = Brand<string, 'SessionId'>;
export type PackId = Brand<string, 'PackId'>;
export type KeyId = Brand<string, 'KeyId'>;

/** RFC 9051 §2.3.1.1: unique identifier of a message in a mailbox, 1..2^32-1. */
export type Uid = Brand<number, 'Uid'>;
/** RFC 9051 §2.3.1.2: message sequence number in one session's view, 1..n. */
export type SeqNum = Brand<number, 'SeqNum'>;
/** RFC 9051 §2.3.1.1, §6.3.2: never zero, never lowered. */
export type UidValidity = Brand<number, 'UidValidity'>;
/** RFC 7162 §3.1: 63-bit, kept below 2^53 so that a JavaScript number is exact. */
export type ModSeq = Brand<number, 'ModSeq'>;
/** Running number of a record inside one custodian; group number = recordNo >> 12. */
export type RecordNo = Brand<number, 'RecordNo'>;

/** Values of lower-case hex digits by character code, 255 for every other one. */
const digits = Uint8Array.from({ length: 128 }, (_, code) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(code));
  return digit < 0 ? 255 : digit;
});
/** Places of the 32 digits in text with hyphens. */
const places = Array.from({ length: 36 }, (_, i) => i).filter((i) => ![8, 13, 18, 23].includes(i));

/** 16 raw bytes of a uuid in text form. Throws `RangeError` on anything that is not a uuid. */
export function uuidToBytes(uuid: string): Uint8Array {
  // Several a mail on the way in, so digit by digit through a table. A value above 15 stays visible.
  const out = new Uint8Array(16);
  let seen = uuid.length === 36 ? 0 : 255;
  for (let i = 0; i < 16; i += 1) {
    const high = digits[uuid.charCodeAt(places[2 * i] ?? 0)] ?? 255;
    const low = digits[uuid.charCodeAt(places[2 * i + 1] ?? 0)] ?? 255;
    seen |= high | low;
    out[i] = (high << 4) | low;
  }
  const hyphens = uuid[8] === '-' && uuid[13] === '-' && uuid[18] === '-' && uuid[23] === '-';
  if (seen > 15 || !hyphens) throw new RangeError('not a lower-case uuid');
  return out;
}

/** Text form of 16 raw bytes. Throws `RangeError` on any other length. */
export function uuidFromBytes(bytes: Uint8Array): string {
  if (bytes.length !== 16) throw new RangeError('a uuid has 16 bytes');
  let hex = '';
  for (const b of bytes) hex += b.toString(16).padStart(2, '0');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}

/** RFC 9562 §5.4: random uuid from 16 random bytes. */
export function uuidV4(random: Uint8Array): string {
  const b = Uint8Array.from(random);
  b[6] = ((b[6] ?? 0) & 0x0f) | 0x40;
  b[8] = ((b[8] ?? 0) & 0x3f) | 0x80;
  return uuidFromBytes(b);
}

/** RFC 9562 §5.7: time-ordered uuid from Unix milliseconds and 16 random bytes (10 are used). */
export function uuidV7(unixMs: number, random: Uint8Array): string {
  const b = Uint8Array.from(random);
  let ms = unixMs;
  for (let i = 5; i >= 0; i -= 1) {
    b[i] = ms % 256;
    ms = Math.floor(ms / 256);
  }
  b[6] = ((b[6] ?? 0) & 0x0f) | 0x70;
  b[8] = ((b[8] ?? 0) & 0x3f) | 0x80;
  return uuidFromBytes(b);
}
