// Worker thread that compresses and seals large messages, so that no event loop waits for them
// (docs/architecture.md §2, "Bytes"). It holds one sealer a stream and never more plaintext than a chunk.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort } from 'node:worker_threads';
import { assert } from '../../kernel/errors.ts';
import { createBodySealer, type BodySealer } from '../formats/body.ts';
import type { FromSealWorker, ToSealWorker } from './seal-messages.ts';

const port = parentPort;
assert(port !== null, 'seal-worker.ts runs as a worker thread');
const sealers = new Map<number, BodySealer>();

// zstd and AES give each chunk a new buffer outside the heap. V8 lets 64 MB of these pile up before it
// collects, which is twice what a message may cost (docs/architecture.md §2), so this thread asks itself.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: { type: 'minor' }) => void;
let sinceCollection = 0;

port.on('message', (message: ToSealWorker) => {
  try {
    handle(message);
  } catch (error) {
    sealers.delete(message.id);
    // The reason is a programmer's error or a lack of memory; it carries no bytes of a message.
    const reason = error instanceof Error ? error.message : 'unknown';
    answer({ type: 'failed', id: message.id, reason }, []);
  }
});

function handle(message: ToSealWorker): void {
  const { id } = message;
  if (message.type === 'begin') {
    sealers.set(id, createBodySealer(message.dek, message.contentId));
    message.dek.fill(0);
    return;
  }
  const sealer = sealers.get(id);
  // A stream that failed here may still have pieces under way.
  if (sealer === undefined) return;
  if (message.type === 'piece') {
    const { buffer, target } = message;
    const length = joinInto(target, sealer.push(buffer.subarray(0, message.length)));
    buffer.fill(0);
    answer({ type: 'sealed', id, buffer, length, target }, [buffer.buffer, target.buffer]);
    collectGarbage();
    return;
  }
  sealers.delete(id);
  const last = sealer.end();
  if (message.type === 'abort') return;
  const sealed = new Uint8Array(last.reduce((sum, piece) => sum + piece.length, 0));
  joinInto(sealed, last);
  answer({ type: 'ended', id, sealed }, [sealed.buffer]);
}

/** Copies the pieces one behind the other; returns their length together. */
function joinInto(target: Uint8Array, pieces: readonly Uint8Array[]): number {
  let at = 0;
  for (const piece of pieces) {
    target.set(piece, at);
    at += piece.length;
  }
  return at;
}

/** See `collect`; a young collection of this thread takes a fraction of a millisecond. */
function collectGarbage(): void {
  sinceCollection += 1;
  if (sinceCollection < 4) return;
  sinceCollection = 0;
  collect({ type: 'minor' });
}

function answer(message: FromSealWorker, transfer: ArrayBuffer[]): void {
  port?.postMessage(message, transfer);
}
