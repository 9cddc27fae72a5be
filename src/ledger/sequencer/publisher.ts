// Turns sequenced leaves into published checkpoints: tiles and bundles durable, then the signature,
// then the checkpoint file. Every step may be repeated; a crash between two of them loses nothing.
// docs/formats/ledger.md "Order of writing".
import type pg from 'pg';
import { IntegrityError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/time.ts';
import { openCheckpoint } from '../checkpoint/checkpoint.ts';
import type { CheckpointSigner } from '../signer/signer.ts';
import type { TileFiles } from '../tiles/tile-files.ts';
import { type Leaf, TileWriter } from '../tiles/tile-writer.ts';
import { emptyRoot } from '../tree/hashes.ts';
import { tileWidth } from '../tree/tile-path.ts';
import { type Head, readLeaves } from './sequencer.store.ts';

export interface Publisher {
  /** Size of the newest published checkpoint. */
  readonly published: number;
  append(leaves: readonly Leaf[]): void;
  /**
   * Publishes a checkpoint over everything appended before the call, and answers its size. Calls that
   * come while one runs share the next one.
   */
  publish(): Promise<number>;
  close(): Promise<void>;
}

export interface PublisherDeps {
  readonly files: TileFiles;
  readonly signer: CheckpointSigner;
  readonly clock: Clock;
  /** A checkpoint is kept in the history if the last kept one is at least this old, in milliseconds. */
  readonly historyMs: number;
}

/** Rows read at a time while rolling forward. */
const rollForwardRows = 4096;

/**
 * Opens the files at the last published checkpoint and rolls them forward to the head.
 * Throws `IntegrityError` if the database is behind the checkpoint, or does not fit the tiles.
 */
export async function openPublisher(
  client: pg.ClientBase,
  head: Head,
  deps: PublisherDeps,
): Promise<Publisher> {
  const start = await lastCheckpoint(head, deps);
  const tailFrom = start.size - (start.size % tileWidth);
  const tail = await readLeaves(client, tailFrom, start.size);
  const writer = await TileWriter.open(deps.files, { size: start.size, root: start.root, tail });
  for (let from = start.size; from < head.size; from += rollForwardRows) {
    writer.append(await readLeaves(client, from, Math.min(head.size, from + rollForwardRows)));
    if (from % (16 * rollForwardRows) === 0) await writer.flush();
  }
  return createPublisher(writer, start.size, deps);
}

async function lastCheckpoint(
  head: Head,
  deps: PublisherDeps,
): Promise<{ size: number; root: Buffer }> {
  const signed = await deps.signer.head();
  await deps.files.keepPublicKey(signed.spki);
  const note = await deps.files.readCheckpoint();
  const refuse = (what: string, size: number): never => {
    throw new IntegrityError('integrity.ledger', {
      place: 'checkpoint',
      what,
      size,
      headSize: head.size,
    });
  };
  if (signed.size > head.size) refuse('database is behind the signer', signed.size);
  if (note === undefined) return { size: 0, root: emptyRoot };
  const opened = openCheckpoint(note, { origin: head.origin, spki: signed.spki });
  if (typeof opened === 'string') return refuse(opened, 0);
  if (opened.size > head.size) refuse('database is behind the checkpoint', opened.size);
  return opened;
}

function createPublisher(writer: TileWriter, published: number, deps: PublisherDeps): Publisher {
  let size = published;
  let keptAt = 0;
  let running: Promise<number> | undefined;
  let next: Promise<number> | undefined;

  const publishOnce = async (): Promise<number> => {
    if (writer.size === size) return size;
    const tree = await writer.flush();
    const note = await deps.signer.sign(tree);
    const now = deps.clock.now();
    const keep = now - keptAt >= deps.historyMs;
    await deps.files.writeCheckpoint(note, tree.size, keep);
    if (keep) keptAt = now;
    await deps.files.dropPartials(size, tree.size);
    size = tree.size;
    return size;
  };
  const run = (): Promise<number> => {
    const mine = publishOnce().finally(() => {
      if (running === mine) running = undefined;
    });
    running = mine;
    return mine;
  };

  return {
    get published() {
      return size;
    },
    append: (leaves) => writer.append(leaves),
    publish() {
      if (running === undefined) return run();
      // The one that runs may have looked before the caller's leaves were there.
      next ??= running
        .catch(() => undefined)
        .then(() => {
          next = undefined;
          return run();
        });
      return next;
    },
    close: async () => {
      await Promise.allSettled([running, next]);
    },
  };
}
