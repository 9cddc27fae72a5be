// Worker thread that looks into large messages, so that no event loop waits for megabytes of decoding.
// What flags and numbers decide was decided before: only keys about the text come here.
import { parentPort } from 'node:worker_threads';
import { assert } from '../kernel/errors.ts';
import type { UnixMs } from '../kernel/time.ts';
import type { ModSeq, Uid } from '../kernel/ids.ts';
import { evaluateSearch, type SearchedMessage } from './query/index.ts';
import type { FromSearchWorker, ToSearchWorker } from './search-messages.ts';

const port = parentPort;
assert(port !== null, 'search-worker.ts runs as a worker thread');

port.on('message', ({ id, key, metadata, body }: ToSearchWorker) => {
  const message: SearchedMessage = {
    uid: 0 as Uid,
    modSeq: 0 as ModSeq,
    recent: false,
    now: 0 as UnixMs,
    hasFlag: () => false,
    inSet: () => false,
    metadata,
    body,
  };
  let answer: FromSearchWorker;
  try {
    answer = { id, verdict: evaluateSearch(key, message) === true };
  } catch (error) {
    // Carries the name of the fault only, no byte of the message.
    answer = { id, fault: error instanceof Error ? error.name : 'unknown' };
  }
  port.postMessage(answer);
});
