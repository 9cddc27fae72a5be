// Whether a restored archive has what the running one has: every record that was acknowledged before the backup's
// reach, with the digest of its sealed bytes. What was erased since is no difference.
import type { Database } from '../../platform/postgres/database.ts';
import { type ComparedRecord, erasedAmong, recordsAfter } from './compare-records.store.ts';

export interface Comparison {
  /** Records compared. */
  readonly records: number;
  /** Of the running archive and not of the restored one, or with another size or digest; the first hundred. */
  readonly differences: readonly { readonly record: string; readonly what: string }[];
  readonly different: number;
  /** Restored ones that were erased since. */
  readonly erasedSince: number;
}

const pageRows = 1000;
const listed = 100;

export async function compareRecords(
  running: Pick<Database, 'pool'>,
  restored: Pick<Database, 'pool'>,
  until: Date,
): Promise<Comparison> {
  const differences: { record: string; what: string }[] = [];
  let different = 0;
  const tell = (record: string, what: string): void => {
    different += 1;
    if (differences.length < listed) differences.push({ record, what });
  };
  const onlyRestored: string[] = [];
  let records = 0;
  const [ours, theirs] = [new Pages(running, until), new Pages(restored, until)];
  for (;;) {
    const [own, other] = [await ours.head(), await theirs.head()];
    if (own === undefined && other === undefined) break;
    const order = compareKeys(own, other);
    if (order < 0 && own !== undefined) tell(own.record, 'missing');
    if (order > 0 && other !== undefined) onlyRestored.push(other.record);
    if (order === 0 && own !== undefined && other !== undefined) {
      records += 1;
      if (own.size !== other.size) tell(own.record, 'size');
      else if (own.digest !== other.digest) tell(own.record, 'digest');
    }
    if (order <= 0) ours.next();
    if (order >= 0) theirs.next();
  }
  const gone = await erasedAmong(running.pool, onlyRestored);
  for (const record of onlyRestored) if (!gone.has(record)) tell(record, 'unknown');
  return { records, differences, different, erasedSince: gone.size };
}

/** A missing one sorts behind all. */
function compareKeys(a: ComparedRecord | undefined, b: ComparedRecord | undefined): number {
  if (a === undefined || b === undefined) return a === undefined ? 1 : -1;
  const [left, right] = [`${a.custodian} ${a.record}`, `${b.custodian} ${b.record}`];
  return left === right ? 0 : left < right ? -1 : 1;
}

class Pages {
  readonly #database: Pick<Database, 'pool'>;
  readonly #until: Date;
  #rows: readonly ComparedRecord[] = [];
  #at = 0;
  #last: ComparedRecord | undefined;
  #ended = false;

  constructor(database: Pick<Database, 'pool'>, until: Date) {
    this.#database = database;
    this.#until = until;
  }

  async head(): Promise<ComparedRecord | undefined> {
    if (this.#at === this.#rows.length && !this.#ended) {
      this.#rows = await recordsAfter(this.#database.pool, this.#last, this.#until, pageRows);
      this.#at = 0;
      this.#last = this.#rows.at(-1) ?? this.#last;
      this.#ended = this.#rows.length === 0;
    }
    return this.#rows[this.#at];
  }

  next(): void {
    this.#at += 1;
  }
}
