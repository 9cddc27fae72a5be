// Checkpoints as signed notes (docs/formats/checkpoint.md "Text", "Note"): parsed strictly, verified
// with the given public key.
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { digest } from './hashes.ts';

export interface LogKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Buffer;
  readonly key: KeyObject;
  readonly id: Buffer;
}

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

export function readKey(spki: Buffer): LogKey {
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  return { spki, key, id: digest(spki).subarray(0, 4) };
}

function strictBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

function readText(text: string): Checkpoint | undefined {
  const found = /^([^\s+\p{Cc}]{1,200})\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\n$/u.exec(text);
  const [, origin = '', digits = '', root = ''] = found ?? [];
  const hash = strictBase64(root);
  const size = Number(digits);
  if (found === null || hash === undefined || !Number.isSafeInteger(size)) return undefined;
  return { origin, size, root: hash };
}

/** The checkpoint in `bytes` if it is well-formed and signed by `key`; else what is wrong with it. */
export function openCheckpoint(bytes: Buffer, key: LogKey): Checkpoint | string {
  let note: string;
  try {
    note = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // What is no UTF-8 is no note.
    return 'encoding';
  }

  if (/[\u0000-\u0009\u000b-\u001f\u007f]/.test(note)) return 'encoding';
  const split = note.lastIndexOf('\n\n');
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2);
  const checkpoint = split < 0 ? undefined : readText(text);
  if (checkpoint === undefined || !lines.endsWith('\n')) return 'encoding';
  let own = 0;
  for (const line of lines.slice(0, -1).split('\n')) {
    const [, name, encoded = ''] = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)$/u.exec(line) ?? [];
    const signature = strictBase64(encoded);
    if (name === undefined || signature === undefined || signature.length < 5) return 'encoding';
    // Lines of other names or keys are witnesses' business.
    if (name !== checkpoint.origin || !signature.subarray(0, 4).equals(key.id)) continue;
    own += 1;
    if (!verify('sha256', Buffer.from(text), key.key, signature.subarray(4))) return 'signature';
  }
  return own === 0 ? 'not signed by this key' : checkpoint;
}
