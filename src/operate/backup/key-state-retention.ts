// Which files of the key state are still needed: the newest full states with the newest changes of each, and
// nothing that no key opens any more. docs/formats/key-state.md "When".
import { open } from 'node:fs/promises';
import { IntegrityError } from '../../kernel/errors.ts';
import {
  decodeKeyStateHead,
  type KeyStateHead,
  keyStateHeadBytesMax,
} from '../../vault/formats/key-state-file.ts';
import { listKeyFiles } from './target.ts';

const fullKept = 3;

export interface FoundState {
  readonly path: string;
  readonly head: KeyStateHead;
}

/** Heads of the files, the oldest first; one that is damaged is told to `onDamage` and left out. */
export async function keyStateHeads(
  target: string,
  onDamage: (path: string) => void = () => undefined,
): Promise<FoundState[]> {
  const found: FoundState[] = [];
  for (const { path } of await listKeyFiles(target)) {
    try {
      found.push({ path, head: await readHead(path) });
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      onDamage(path);
    }
  }
  return found;
}

async function readHead(path: string): Promise<KeyStateHead> {
  const file = await open(path, 'r');
  try {
    const bytes = Buffer.alloc(keyStateHeadBytesMax);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    return decodeKeyStateHead(bytes.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

/** Paths that may go. Damaged files stay: somebody should look at them. */
export async function deadOrOld(target: string, destroyed: ReadonlySet<number>): Promise<string[]> {
  const gone: string[] = [];
  let fulls = 0;
  let changesKept = false;
  for (const { path, head } of (await keyStateHeads(target)).toReversed()) {
    const isFull = head.kind === 'full';
    const isOld = fulls >= fullKept || (!isFull && changesKept);
    if (isOld || destroyed.has(head.generation)) gone.push(path);
    else if (isFull) {
      fulls += 1;
      changesKept = false;
    } else changesKept = true;
  }
  return gone;
}
