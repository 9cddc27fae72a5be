// A lease: one holder at a time, by the database's clock, with a fence that grows at every change of
// holder. The holder trusts its lease only while its own monotonic clock says that it must still be
// valid, counted from before the question was sent, so a paused process stops before another begins.
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { PostsealError } from '../../kernel/errors.ts';
import type { Log } from '../log/log.ts';
import type { Database } from '../postgres/database.ts';
import { statement } from '../postgres/statement.ts';

export interface LeaseOptions {
  readonly database: Database;
  readonly name: string;
  /** Unique among everything that may hold it, such as `node-1/4711`. */
  readonly holder: string;
  /** Time after which a silent holder has lost it; renewed three times within. */
  readonly seconds: number;
  readonly log: Log;
  readonly onTaken?: (fence: number) => void;
  /** Work must stop; it may already be running elsewhere. */
  readonly onLost?: () => void;
}

export interface Lease {
  /** Whether it is held at this moment, by our own clock. */
  isHeld(): boolean;
  /** The fence while it is held. */
  fence(): number | undefined;
  /** Gives it up at once and stops asking. */
  stop(): Promise<void>;
}

const take = statement<{ fence: string }>(
  'lease-take',
  `INSERT INTO lease AS held (name, holder, fence, until)
   VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
   ON CONFLICT (name) DO UPDATE
     SET holder = excluded.holder,
         fence = held.fence + CASE
           WHEN held.holder = excluded.holder AND held.until > clock_timestamp() THEN 0 ELSE 1 END,
         until = excluded.until
     WHERE held.holder = excluded.holder OR held.until <= clock_timestamp()
   RETURNING fence`,
);
const giveUp = statement(
  'lease-give-up',
  'UPDATE lease SET until = clock_timestamp() WHERE name = $1 AND holder = $2',
);
const check = statement(
  'lease-check',
  `SELECT 1 FROM lease
   WHERE name = $1 AND fence = $2 AND until > clock_timestamp() FOR SHARE`,
);

/** Begins to ask for the lease, and keeps it once it is ours. */
export function holdLease(options: LeaseOptions): Lease {
  const { database, name, holder, seconds, log } = options;
  const stopping = new AbortController();
  let fence: number | undefined;
  let validUntil = 0;

  const lose = (): void => {
    if (fence === undefined) return;
    fence = undefined;
    log.warn('lease.holder.lost', { lease: name });
    options.onLost?.();
  };
  const ask = async (): Promise<void> => {
    const asked = performance.now();
    try {
      const row = await take.first(database.pool, [name, holder, seconds]);
      if (row === undefined) {
        lose();
        return;
      }
      validUntil = asked + seconds * 1_000;
      const given = Number(row.fence);
      if (given === fence) return;
      // A new fence while we believed to hold it: it was lost in between without our noticing.
      lose();
      fence = given;
      log.info('lease.holder.taken', { lease: name, fence: given });
      options.onTaken?.(given);
    } catch (error) {
      log.debug('lease.renewal.failed', { lease: name, error });
      if (performance.now() >= validUntil) lose();
    }
  };
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      await ask();
      // An abort only means that we stop; the loop's condition sees it.
      await sleep((seconds * 1_000) / 3, undefined, { signal: stopping.signal }).catch(
        () => undefined,
      );
    }
  })();
  const isHeld = (): boolean => fence !== undefined && performance.now() < validUntil;

  return {
    isHeld,
    fence: () => (isHeld() ? fence : undefined),
    stop: async () => {
      stopping.abort();
      await loop;
      if (fence === undefined) return;
      lose();
      // Unreachable now means that the lease runs out by itself.
      await giveUp.run(database.pool, [name, holder]).catch(() => undefined);
    },
  };
}

/**
 * Proves inside a transaction that the lease with this fence still holds, and keeps it from changing
 * hands until the transaction ends.
 * @throws PostsealError `store.conflict`.
 */
export async function assertLease(
  client: pg.ClientBase,
  name: string,
  fence: number,
): Promise<void> {
  const row = await check.first(client, [name, fence]);
  if (row === undefined) throw new PostsealError('store.conflict', { lease: name, fence });
}
