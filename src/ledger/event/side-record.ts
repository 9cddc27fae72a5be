// Personal values of an event: a commitment in the leaf, value and opening sealed beside it.
// Source of truth: docs/formats/side-record.md. Pure: key, randomness and cipher come in.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { IntegrityError } from '../../kernel/errors.ts';
import {
  type CustodianId,
  type EventId,
  type KeyId,
  type PersonId,
  uuidToBytes,
} from '../../kernel/ids.ts';
import { canonicalBytes, type JsonValue, parseCanonical } from './canonical-json.ts';
import type { PersonalValue, SideRow } from './draft.ts';

/** XChaCha20-Poly1305: `nonce(24) ‖ ciphertext ‖ tag(16)`. Brought by the vault in composition. */
export interface SideCipher {
  seal(key: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array;
  /** Throws on a wrong key, other associated data or changed bytes. */
  open(key: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array;
}

/** The subjects' side-record keys that this process may seal under. */
export interface SideKeyring {
  /** `undefined` until `load` was called for the subject. */
  keyFor(
    subject: CustodianId | PersonId,
  ): { readonly keyId: KeyId; readonly key: Uint8Array } | undefined;
  load(subjects: readonly (CustodianId | PersonId)[]): Promise<void>;
}

export const sideRandomBytes = 32;
const label = Buffer.from('postseal/side-record/1\0', 'latin1');

/** Commitment of a value under its 32 random bytes, 64 hex digits. */
export function sideCommitment(random: Uint8Array, value: JsonValue): string {
  return createHmac('sha256', random).update(canonicalBytes(value)).digest('hex');
}

/** Associated data: binds the sealed bytes to event, subject and slot. */
export function sideAssociatedData(
  event: EventId,
  subject: CustodianId | PersonId,
  slot: string,
): Buffer {
  return Buffer.concat([
    label,
    uuidToBytes(event),
    uuidToBytes(subject),
    Buffer.from(slot, 'utf8'),
  ]);
}

/** Seals one value; `random` MUST be 32 fresh random bytes. */
export function sealSide(
  item: PersonalValue,
  at: { event: EventId; keyId: KeyId; key: Uint8Array; random: Uint8Array },
  cipher: Pick<SideCipher, 'seal'>,
): SideRow {
  const plain = Buffer.concat([at.random, canonicalBytes(item.value)]);
  const aad = sideAssociatedData(at.event, item.subject, item.slot);
  const sealed = cipher.seal(at.key, aad, plain);
  return { event: at.event, slot: item.slot, subject: item.subject, keyId: at.keyId, sealed };
}

/**
 * Opens one side record and checks it against the commitment in its leaf.
 * Throws `IntegrityError('integrity.ledger')` if they do not belong together.
 */
export function openSide(
  row: SideRow,
  commitment: string,
  key: Uint8Array,
  cipher: Pick<SideCipher, 'open'>,
): JsonValue {
  const plain = cipher.open(key, sideAssociatedData(row.event, row.subject, row.slot), row.sealed);
  const random = plain.subarray(0, sideRandomBytes);
  const value = parseCanonical(plain.subarray(sideRandomBytes));
  const place = { event: row.event, slot: row.slot };
  if (value === undefined)
    throw new IntegrityError('integrity.ledger', { ...place, what: 'encoding' });
  const expected = Buffer.from(sideCommitment(random, value), 'latin1');
  const given = Buffer.from(commitment, 'latin1');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new IntegrityError('integrity.ledger', { ...place, what: 'commitment' });
  }
  return value;
}
