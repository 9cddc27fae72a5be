// What the signer signed last, in a file of its own outside PostgreSQL: one line of JSON.
// Source of truth: docs/formats/checkpoint.md "Signer".
import { join } from 'node:path';
import { IntegrityError } from '../../kernel/errors.ts';
import { openCheckpoint } from '../checkpoint/checkpoint.ts';
import { writeDurable } from '../tiles/durable-file.ts';
import { readIfThere, type TileFiles } from '../tiles/tile-files.ts';
import { emptyRoot } from '../tree/hashes.ts';

export interface SignerState {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

/** Path of the signer's memory in a home. */
export function signerStatePath(home: string): string {
  return join(home, 'signer', 'state');
}

/** The file alone; undefined if there is none. Throws `IntegrityError` if it is not a state. */
export async function readOwnState(path: string): Promise<SignerState | undefined> {
  const bytes = await readIfThere(path);
  return bytes === undefined ? undefined : decode(bytes, path);
}

/**
 * The newer of the state file and the published checkpoint, so that losing one of them does not make
 * the signer forget. Throws `IntegrityError` if the file is there and is not the state of this log.
 */
export async function readSignerState(
  path: string,
  log: {
    readonly origin: string;
    readonly spki: Uint8Array;
    readonly files: Pick<TileFiles, 'readCheckpoint'>;
  },
): Promise<SignerState> {
  const own = (await readOwnState(path)) ?? { origin: log.origin, size: 0, root: emptyRoot };
  if (own.origin !== log.origin)
    throw new IntegrityError('integrity.ledger', { place: path, what: 'origin' });
  const note = await log.files.readCheckpoint();
  if (note === undefined) return own;
  const published = openCheckpoint(note, log);
  if (typeof published === 'string') {
    throw new IntegrityError('integrity.ledger', { place: 'checkpoint', what: published });
  }
  return published.size > own.size
    ? { origin: log.origin, size: published.size, root: published.root }
    : own;
}

export async function writeSignerState(path: string, state: SignerState): Promise<void> {
  const line = JSON.stringify({
    origin: state.origin,
    size: state.size,
    root: state.root.toString('base64'),
  });
  await writeDurable([{ path, bytes: Buffer.from(`${line}\n`, 'utf8') }]);
}

function decode(bytes: Buffer, path: string): SignerState {
  try {
    const value = JSON.parse(bytes.toString('utf8')) as Partial<Record<string, unknown>>;
    const { origin, size, root } = value;
    if (typeof origin === 'string' && Number.isSafeInteger(size) && typeof root === 'string') {
      const hash = Buffer.from(root, 'base64');
      if (hash.length === emptyRoot.length) return { origin, size: size as number, root: hash };
    }
  } catch (error) {
    throw new IntegrityError('integrity.ledger', { place: path, what: 'encoding' }, error);
  }
  throw new IntegrityError('integrity.ledger', { place: path, what: 'encoding' });
}
