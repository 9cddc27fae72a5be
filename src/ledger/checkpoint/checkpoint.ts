// Checkpoints: origin, size and root of the tree, as the text of a signed note.
// Source of truth: docs/formats/checkpoint.md (c2sp.org/tlog-checkpoint, no extension lines). Pure.
import { parseNote, type SignedNote, verifyNote } from './signed-note.ts';

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Buffer;
}

export function checkpointText(checkpoint: Checkpoint): string {
  return `${checkpoint.origin}\n${checkpoint.size}\n${checkpoint.root.toString('base64')}\n`;
}

/** `undefined` unless the text is exactly what `checkpointText` writes. */
export function parseCheckpointText(text: string): Checkpoint | undefined {
  const [origin = '', sizeText = '', rootText = ''] = text.split('\n');
  if (!/^(0|[1-9]\d*)$/.test(sizeText)) return undefined;
  const checkpoint = { origin, size: Number(sizeText), root: Buffer.from(rootText, 'base64') };
  if (!isOrigin(origin) || !Number.isSafeInteger(checkpoint.size) || checkpoint.root.length !== 32)
    return undefined;
  return checkpointText(checkpoint) === text ? checkpoint : undefined;
}

/** Origins are key names too: no white space, no plus sign, no control character. */
export function isOrigin(text: string): boolean {
  return /^[^\s+\p{Cc}]{1,200}$/u.test(text);
}

export interface OpenedCheckpoint extends Checkpoint {
  readonly note: SignedNote;
}

/** The checkpoint in a note signed by the log's key; otherwise the reason. */
export function openCheckpoint(
  bytes: Uint8Array,
  log: { readonly origin?: string; readonly spki: Uint8Array },
): OpenedCheckpoint | 'encoding' | 'origin' | 'signature' {
  const note = parseNote(bytes);
  const checkpoint = note === undefined ? undefined : parseCheckpointText(note.text);
  if (note === undefined || checkpoint === undefined) return 'encoding';
  if (log.origin !== undefined && checkpoint.origin !== log.origin) return 'origin';
  if (!verifyNote(note, checkpoint.origin, log.spki)) return 'signature';
  return { ...checkpoint, note };
}
