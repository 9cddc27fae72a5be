// Writes snapshots of mailboxes in the background, one at a time, and then cuts the logs below the
// snapshot before: readers that are at most one snapshot behind still catch up from the logs.
import type pg from 'pg';
import type { Database } from '../../platform/postgres/database.ts';
import { statement } from '../../platform/postgres/statement.ts';
import type { MailboxState } from './mailbox-state.ts';
import type { MailboxKey } from './read-state.store.ts';
import { encodeSnapshotPart, snapshotPartMessages } from './snapshot-format.ts';
import { TimeSlice } from './time-slice.ts';

/** A snapshot is worth writing when so many messages changed since the last, and a quarter of them. */
export const snapshotChangesDefault = 1_000;
/** Ranges of vanished uids that a mailbox remembers; more than that are merged, then forgotten. */
const vanishedRangesMax = 4_096;

const insertPart = statement<Record<string, never>>(
  'mailbox.snapshot-insert',
  `INSERT INTO mailbox_snapshot (custodian_id, mailbox_id, modseq, part, data) VALUES ($1, $2, $3, $4, $5)
   ON CONFLICT (custodian_id, mailbox_id, modseq, part) DO NOTHING`,
);
const lockMemory = statement<{ snapshot_modseq: string }>(
  'mailbox.snapshot-lock',
  'SELECT snapshot_modseq FROM mailbox_memory WHERE custodian_id = $1 AND mailbox_id = $2 FOR UPDATE',
);
const install = statement<{ log_floor: string }>(
  'mailbox.snapshot-install',
  `UPDATE mailbox_memory SET log_floor = greatest(log_floor, snapshot_modseq), snapshot_modseq = $3
   WHERE custodian_id = $1 AND mailbox_id = $2 RETURNING log_floor`,
);
const dropOld = statement<Record<string, never>>(
  'mailbox.snapshot-drop',
  'DELETE FROM mailbox_snapshot WHERE custodian_id = $1 AND mailbox_id = $2 AND modseq < $3',
);
const cutLog = statement<Record<string, never>>(
  'mailbox.log-cut',
  'DELETE FROM change_log WHERE custodian_id = $1 AND mailbox_id = $2 AND modseq <= $3',
);
const countVanished = statement<{ ranges: string }>(
  'mailbox.vanished-count',
  'SELECT count(*) AS ranges FROM vanished WHERE custodian_id = $1 AND mailbox_id = $2',
);
// Ranges get the highest modseq of what was merged: they may tell a client twice, never too little.
const mergeVanished = statement<Record<string, never>>(
  'mailbox.vanished-merge',
  `WITH old AS (
    DELETE FROM vanished WHERE custodian_id = $1 AND mailbox_id = $2 AND modseq <= $3 RETURNING modseq, uid_from, uid_to
  ), merged AS (
    SELECT unnest(range_agg(int8range(uid_from, uid_to + 1))) AS uids FROM old
  )
  INSERT INTO vanished (custodian_id, mailbox_id, modseq, uid_from, uid_to)
  SELECT $1, $2, $3, lower(uids), upper(uids) - 1 FROM merged`,
);
const forgetVanished = statement<Record<string, never>>(
  'mailbox.vanished-forget',
  `WITH m AS (UPDATE mailbox_memory SET vanished_floor = $3 WHERE custodian_id = $1 AND mailbox_id = $2)
   DELETE FROM vanished WHERE custodian_id = $1 AND mailbox_id = $2 AND modseq <= $3`,
);

export class SnapshotWriter {
  readonly #db: Database;
  readonly #waiting = new Set<MailboxState>();
  readonly #onError: (error: unknown) => void;
  readonly #changesMin: number;
  #running: Promise<void> | undefined;

  /** `onError`: nobody waits for a snapshot, so its failure goes here. */
  constructor(
    db: Database,
    options: { readonly changesMin: number; readonly onError: (error: unknown) => void },
  ) {
    this.#db = db;
    this.#changesMin = options.changesMin;
    this.#onError = options.onError;
  }

  /** Writes one soon if enough has changed. */
  consider(state: MailboxState): void {
    const changed = state.changedSinceSnapshot;
    if (state.gone || changed < Math.max(this.#changesMin, state.messages.count / 4)) return;
    this.#waiting.add(state);
    this.#running ??= this.#drain();
  }

  /** Everything that waits is written. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #drain(): Promise<void> {
    for (const state of this.#waiting) {
      this.#waiting.delete(state);
      try {
        await this.#write(state);
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#running = undefined;
  }

  async #write(state: MailboxState): Promise<void> {
    const { key } = state;
    const modseq = state.highestModseq;
    const changed = state.changedSinceSnapshot;
    const messages = state.messages.freeze();
    const slice = new TimeSlice();
    await this.#db.transaction(async (client) => {
      const id = [key.custodian, key.mailbox];
      for (let from = 0, part = 0; part === 0 || from < messages.count; part += 1) {
        const to = Math.min(messages.count, from + snapshotPartMessages);
        const data = encodeSnapshotPart(messages, from, to);
        await insertPart.run(client, [...id, modseq, part, data]);
        await slice.rest();
        from = to;
      }
      const known = await lockMemory.first(client, id);
      // Another process was quicker; its snapshot stays, ours goes with the next cut.
      if (known === undefined || Number(known.snapshot_modseq) >= modseq) return;
      const installed = await install.first(client, [...id, modseq]);
      await dropOld.run(client, [...id, modseq]);
      await cut(client, key, Number(installed?.log_floor ?? 0));
    });
    state.snapshotWritten(modseq, changed);
  }
}

async function cut(client: pg.ClientBase, key: MailboxKey, floor: number): Promise<void> {
  const id = [key.custodian, key.mailbox];
  await cutLog.run(client, [...id, floor]);
  const ranges = async () => Number((await countVanished.first(client, id))?.ranges ?? 0);
  if ((await ranges()) <= vanishedRangesMax) return;
  await mergeVanished.run(client, [...id, floor]);
  if ((await ranges()) > vanishedRangesMax) await forgetVanished.run(client, [...id, floor]);
}
