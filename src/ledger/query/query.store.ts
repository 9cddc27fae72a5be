// Reading the ledger: filters over the columns of audit_log, paged by number.
// Whoever calls it records `ledger.queried`; the rows themselves hold no personal data.
import type { UnixMs } from '../../kernel/time.ts';
import { textArray } from '../../platform/postgres/binary-arrays.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';
import type { JsonValue } from '../event/canonical-json.ts';

export interface LedgerFilter {
  readonly op?: readonly string[];
  /** Pseudonym, `system` or `unknown`. */
  readonly actor?: string;
  /** `kind:id`, for example `rec:0198…`. */
  readonly object?: string;
  readonly outcome?: string;
  readonly eventId?: string;
  /** Instants: `from` inclusive, `until` exclusive. */
  readonly from?: UnixMs | string;
  readonly until?: UnixMs | string;
  /** Numbers: `seqFrom` inclusive, `seqTo` exclusive. */
  readonly seqFrom?: number;
  readonly seqTo?: number;
  /** The `next` of the page before. */
  readonly after?: number;
  /** Default `newest`. */
  readonly order?: 'newest' | 'oldest';
  /** Rows of a page, 1..1000. */
  readonly limit: number;
}

export interface LedgerRow {
  readonly seq: number;
  readonly eventId: string;
  /** RFC 3339, six fraction digits. */
  readonly at: string;
  readonly op: string;
  readonly cls: string;
  readonly outcome: string;
  readonly actor: string;
  readonly objects: readonly string[];
  /** Leaf hash, hex. */
  readonly leaf: string;
  /** The event, or `undefined` once its body was pruned. */
  readonly body: JsonValue | undefined;
}

export interface LedgerPage {
  readonly rows: readonly LedgerRow[];
  /** Pass it as `after` for the next page; absent on the last one. */
  readonly next?: number;
}

interface Row {
  readonly seq: string;
  readonly event_id: string;
  readonly at: string;
  readonly op: string;
  readonly cls: string;
  readonly outcome: string;
  readonly actor: string;
  readonly objects: string[];
  readonly leaf: string;
  readonly body: string | null;
}

const pageMax = 1000;
const text = (order: 'ASC' | 'DESC') => `
  SELECT seq, event_id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, op, cls, outcome, actor,
         objects, encode(leaf, 'hex') AS leaf, convert_from(body, 'UTF8') AS body
    FROM public.audit_log
   WHERE ($1::text[] IS NULL OR op = ANY ($1::text[]))
     AND ($2::text IS NULL OR actor = $2)
     AND ($3::text IS NULL OR objects @> ARRAY[$3::text])
     AND ($4::text IS NULL OR outcome = $4)
     AND ($5::uuid IS NULL OR event_id = $5)
     AND ($6::timestamptz IS NULL OR at >= $6)
     AND ($7::timestamptz IS NULL OR at < $7)
     AND seq >= $8 AND seq < $9
   ORDER BY seq ${order} LIMIT $10`;
const newest = statement<Row>('ledger.query.newest', text('DESC'));
const oldest = statement<Row>('ledger.query.oldest', text('ASC'));

/** One page of the ledger that fits all given filters. */
export async function queryLedger(client: Queryable, filter: LedgerFilter): Promise<LedgerPage> {
  const ascending = filter.order === 'oldest';
  const limit = Math.max(1, Math.min(pageMax, filter.limit));
  const after = filter.after;
  const low = Math.max(filter.seqFrom ?? 0, ascending && after !== undefined ? after + 1 : 0);
  const high = Math.min(
    filter.seqTo ?? Number.MAX_SAFE_INTEGER,
    !ascending && after !== undefined ? after : Number.MAX_SAFE_INTEGER,
  );
  const rows = await (ascending ? oldest : newest).rows(client, [
    filter.op === undefined ? null : textArray(filter.op),
    filter.actor ?? null,
    filter.object ?? null,
    filter.outcome ?? null,
    filter.eventId ?? null,
    instant(filter.from),
    instant(filter.until),
    low,
    high,
    limit + 1,
  ]);
  const page = rows.slice(0, limit).map(toRow);
  const last = page.at(-1);
  return rows.length > limit && last !== undefined
    ? { rows: page, next: last.seq }
    : { rows: page };
}

function instant(value: UnixMs | string | undefined): string | null {
  if (value === undefined) return null;
  return typeof value === 'string' ? value : new Date(value).toISOString();
}

function toRow(row: Row): LedgerRow {
  return {
    seq: Number(row.seq),
    eventId: row.event_id,
    at: row.at,
    op: row.op,
    cls: row.cls,
    outcome: row.outcome,
    actor: row.actor,
    objects: row.objects,
    leaf: row.leaf,
    body: row.body === null ? undefined : (JSON.parse(row.body) as JsonValue),
  };
}
