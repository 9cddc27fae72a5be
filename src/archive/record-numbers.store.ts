// Record numbers, leased in blocks per process and custodian, so that a record's group key is known
// before its transaction. A block that is not used up is lost: gaps are normal (migration 0003).
import type { CustodianId, RecordNo } from '../kernel/ids.ts';
import { int8Array, uuidArray } from '../platform/postgres/binary-arrays.ts';
import type { Database } from '../platform/postgres/database.ts';
import { statement } from '../platform/postgres/statement.ts';
import { Coalescer } from './coalescer.ts';

// A lease need not be durable by itself: no record with a leased number can be durable before it,
// because the log of PostgreSQL is flushed in order. So the lease does not wait for the disk.
const lease = statement<{ custodian_id: string; after: string }>(
  'archive.record-numbers.lease',
  `WITH relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS mode)
   INSERT INTO custodian_counter AS c (custodian_id, next_record_no)
   SELECT wanted.custodian, wanted.size
     FROM relaxed, unnest($1::uuid[], $2::int8[]) AS wanted (custodian, size)
   ON CONFLICT (custodian_id) DO UPDATE SET next_record_no = c.next_record_no + excluded.next_record_no
   RETURNING custodian_id::text, next_record_no::text AS after`,
);

const firstBlock = 16;
const largestBlock = 512;
/** Custodians whose blocks are kept; the one unused longest is forgotten. */
const custodiansKept = 50_000;

interface Block {
  next: number;
  end: number;
  size: number;
}

interface Wish {
  readonly custodian: CustodianId;
  readonly size: number;
}

export class RecordNumbers {
  readonly #blocks = new Map<CustodianId, Block>();
  readonly #leases: Coalescer<Wish, number>;
  readonly #renewing = new Map<CustodianId, Promise<void>>();

  constructor(db: Database) {
    this.#leases = new Coalescer((wishes) => leaseBlocks(db, wishes));
  }

  async next(custodian: CustodianId): Promise<RecordNo> {
    for (;;) {
      const block = this.#blocks.get(custodian);
      if (block !== undefined && block.next < block.end) {
        block.next += 1;
        return (block.next - 1) as RecordNo;
      }
      const size = Math.min((block?.size ?? firstBlock / 2) * 2, largestBlock);
      await this.#renew(custodian, size);
    }
  }

  /** One lease at a time for a custodian, however many wait for it. */
  #renew(custodian: CustodianId, size: number): Promise<void> {
    const running = this.#renewing.get(custodian);
    if (running !== undefined) return running;
    const renewal = this.#leases
      .ask({ custodian, size })
      .then((first) => {
        this.#blocks.delete(custodian);
        this.#blocks.set(custodian, { next: first, end: first + size, size });
        const oldest = this.#blocks.keys().next();
        if (this.#blocks.size > custodiansKept && oldest.done !== true) {
          this.#blocks.delete(oldest.value);
        }
      })
      .finally(() => this.#renewing.delete(custodian));
    this.#renewing.set(custodian, renewal);
    return renewal;
  }
}

async function leaseBlocks(db: Database, wishes: readonly Wish[]): Promise<number[]> {
  // Sorted, so that two processes that lease for the same custodians do not lock crosswise.
  const sorted = [...wishes].sort((a, b) => (a.custodian < b.custodian ? -1 : 1));
  const rows = await lease.rows(db.pool, [
    uuidArray(sorted.map(({ custodian }) => custodian)),
    int8Array(sorted.map(({ size }) => size)),
  ]);
  const ends = new Map(rows.map((row) => [row.custodian_id, Number(row.after)]));
  return wishes.map(({ custodian, size }) => (ends.get(custodian) ?? 0) - size);
}
