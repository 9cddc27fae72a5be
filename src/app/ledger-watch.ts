// Looks every two seconds whether the ledger grows and is signed, for readiness, gauges and alerts: events that
// nobody numbers, and leaves that no checkpoint covers, both mean that what happens is not yet evidence.
import { PostsealError } from '../kernel/errors.ts';
import { parseCheckpointText } from '../ledger/checkpoint/checkpoint.ts';
import { parseNote } from '../ledger/checkpoint/signed-note.ts';
import { inboxAgeMs } from '../ledger/event/inbox.store.ts';
import { CheckpointLag } from '../ledger/sequencer/checkpoint-lag.ts';
import { readHead } from '../ledger/sequencer/sequencer.store.ts';
import type { TileFiles } from '../ledger/tiles/tile-files.ts';
import type { AlertBus } from '../platform/alerts/alert-bus.ts';
import type { Metrics } from '../platform/metrics/metrics.ts';
import type { Queryable } from '../platform/postgres/statement.ts';
import { sample } from './sample.ts';

export interface LedgerWatch {
  /** By the last look. @throws PostsealError `ledger.stalled`, with what is late. */
  check(): void;
  stop(): void;
}

export interface LedgerWatchDeps {
  readonly database: Queryable;
  readonly files: Pick<TileFiles, 'readCheckpoint'>;
  readonly metrics: Metrics;
  readonly alerts: AlertBus;
}

const inboxMsMax = 10_000;
/** A signature has twelve seconds before its process is ended and started again. */
const checkpointMsMax = 20_000;

/** Size of the newest published checkpoint; one that cannot be read covers nothing. */
async function signedSize(files: LedgerWatchDeps['files']): Promise<number> {
  const bytes = await files.readCheckpoint();
  const note = bytes === undefined ? undefined : parseNote(bytes);
  return (note === undefined ? undefined : parseCheckpointText(note.text))?.size ?? 0;
}

export function watchLedger({ database, files, metrics, alerts }: LedgerWatchDeps): LedgerWatch {
  const inbox = metrics.gauge(
    'postseal_ledger_inbox_age_seconds',
    'Age of the oldest event that the sequencer has not taken; -1 when it cannot be told',
  );
  const unsigned = metrics.gauge(
    'postseal_ledger_checkpoint_age_seconds',
    'Age of the newest checkpoint while leaves wait for the next; 0 when none do, -1 when it cannot be told',
  );
  const lag = new CheckpointLag();
  let trouble: PostsealError | undefined;
  const take = async (): Promise<void> => {
    const waitingMs = await inboxAgeMs(database);
    const size = (await readHead(database))?.size ?? 0;
    const unsignedMs = lag.look(size, await signedSize(files), performance.now());
    inbox.set(waitingMs / 1000);
    unsigned.set(unsignedMs / 1000);
    const late =
      waitingMs > inboxMsMax ? 'inbox' : unsignedMs > checkpointMsMax ? 'checkpoint' : undefined;
    trouble = late === undefined ? undefined : new PostsealError('ledger.stalled', { late });
    // Told again and again while it lasts: the bus makes one alert of it.
    if (late !== undefined) alerts.raise({ code: 'ledger.stalled', fields: { late } });
  };
  const stop = sample(async () => {
    try {
      await take();
    } catch (error) {
      inbox.set(-1);
      unsigned.set(-1);
      trouble = new PostsealError('ledger.stalled', { late: 'unknown' }, error);
    }
  });
  return {
    check: () => {
      if (trouble !== undefined) throw trouble;
    },
    stop,
  };
}
