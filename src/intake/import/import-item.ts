// One message on its way in from a file, and the frame in which the command line sends it to the
// server: one JSON line (the head) and then exactly `size` octets. What reads it is read-frames.ts.

export interface ImportHead {
  /** Where it came from, unique within the import: a path, or `#3` of an mbox. */
  readonly key: string;
  /** Octets that follow. */
  readonly size: number;
  /** Folder in Unicode with `/` between levels. */
  readonly folder: string;
  readonly flags: readonly string[];
  /** Milliseconds since 1970; when the source knows none, the import's own time is taken. */
  readonly internalDate?: number;
}

export interface ImportItem {
  readonly head: ImportHead;
  readonly bytes: Buffer;
}

/** `auto`: a message without a single CRLF was stored with LF; it becomes CRLF as on its way by mail. */
export type LineEnds = 'auto' | 'keep';

/** Turns LF into CRLF when no CRLF is there at all; every other message stays as it is. */
export function normaliseLineEnds(bytes: Buffer, mode: LineEnds): Buffer {
  if (mode === 'keep' || !bytes.includes(10) || bytes.includes('\r\n')) return bytes;
  let lines = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines += 1;
  // Filled in one go: a piece a line would be many times the message.
  const out = Buffer.allocUnsafeSlow(bytes.length + lines);
  let from = 0;
  let to = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, from)) {
    to += bytes.copy(out, to, from, at);
    to += out.write('\r\n', to, 'latin1');
    from = at + 1;
  }
  bytes.copy(out, to, from);
  return out;
}

/** The frame of an item, in two pieces, so that a large message is not copied for its head. */
export function frameItem(item: ImportItem): [head: Buffer, bytes: Buffer] {
  const head: ImportHead = { ...item.head, size: item.bytes.length };
  return [Buffer.from(`${JSON.stringify(head)}\n`), item.bytes];
}
