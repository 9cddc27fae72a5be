// Signed notes with ECDSA P-256 signatures: c2sp.org/signed-note, type 0x02, over SHA-256, DER.
// Source of truth: docs/formats/checkpoint.md. Pure; the signature itself is made by a token.
import { createHash, createPublicKey, verify } from 'node:crypto';

/** SHA-256 of the note's text: what the token signs. */
export function noteDigest(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}

/** First four bytes of SHA-256 over the DER of the SubjectPublicKeyInfo. */
export function noteKeyId(spki: Uint8Array): Buffer {
  return createHash('sha256').update(spki).digest().subarray(0, 4);
}

/** `name+8 hex digits+base64(0x02 ‖ SPKI)`: what a verifier is given on paper. */
export function verifierKey(name: string, spki: Uint8Array): string {
  const key = Buffer.concat([Buffer.of(noteTypeEcdsa), spki]).toString('base64');
  return `${name}+${noteKeyId(spki).toString('hex')}+${key}`;
}

/** The inverse of `verifierKey`; `undefined` for another type or a wrong key id. */
export function parseVerifierKey(text: string): { name: string; spki: Buffer } | undefined {
  const [name, id, key, ...more] = text.trim().split('+');
  if (name === undefined || id === undefined || key === undefined) return undefined;
  // Standard base64 itself contains plus signs.
  const bytes = Buffer.from([key, ...more].join('+'), 'base64');
  const spki = bytes.subarray(1);
  if (bytes[0] !== noteTypeEcdsa || noteKeyId(spki).toString('hex') !== id) return undefined;
  return { name, spki };
}

export const noteTypeEcdsa = 0x02;

export interface NoteSignature {
  readonly name: string;
  /** Four bytes. */
  readonly keyId: Buffer;
  readonly signature: Buffer;
}

export interface SignedNote {
  /** With its final newline, without the empty line before the signatures. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export function formatNote(note: SignedNote): string {
  const lines = note.signatures.map(
    (s) => `\u2014 ${s.name} ${Buffer.concat([s.keyId, s.signature]).toString('base64')}\n`,
  );
  return `${note.text}\n${lines.join('')}`;
}

/** `undefined` unless the bytes are exactly what `formatNote` writes for some note. */
export function parseNote(bytes: Uint8Array): SignedNote | undefined {
  let all: string;
  try {
    all = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Not UTF-8, so not a note.
    return undefined;
  }
  const split = all.lastIndexOf('\n\n');
  if (split < 0 || !all.endsWith('\n')) return undefined;
  const text = all.slice(0, split + 1);
  const signatures: NoteSignature[] = [];
  for (const line of all.slice(split + 2, -1).split('\n')) {
    const match = /^\u2014 (\S+) (\S+)$/.exec(line);
    if (match === null) return undefined;
    const [, name = '', base64 = ''] = match;
    const raw = Buffer.from(base64, 'base64');
    if (raw.length < 5) return undefined;
    signatures.push({ name, keyId: raw.subarray(0, 4), signature: raw.subarray(4) });
  }
  const note = { text, signatures };
  // Whatever base64 or the split would forgive shows here.
  return formatNote(note) === all ? note : undefined;
}

/**
 * True if the note carries at least one signature of this name and key, and every signature of them
 * verifies. Signatures of others (witnesses) are left to others.
 */
export function verifyNote(note: SignedNote, name: string, spki: Uint8Array): boolean {
  const keyId = noteKeyId(spki);
  const own = note.signatures.filter((s) => s.name === name && s.keyId.equals(keyId));
  if (own.length === 0) return false;
  const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  const text = Buffer.from(note.text, 'utf8');
  return own.every((s) => verify('sha256', text, { key, dsaEncoding: 'der' }, s.signature));
}
