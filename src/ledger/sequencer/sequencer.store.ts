// SQL of the sequencer: takes events out of the inbox, gives them their numbers and hashes, and moves
// the head, all in one transaction. docs/formats/ledger.md "Tables".
// Invariant: the head moves only from the (term, size) that this leader knows, else nothing happens.
import type pg from 'pg';
import { IntegrityError, PostsealError } from '../../kernel/errors.ts';
import {
  byteaArray,
  int8Array,
  textArray,
  uuidArray,
} from '../../platform/postgres/binary-arrays.ts';
import { transactionOn } from '../../platform/postgres/database.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';
import type { JsonValue } from '../event/canonical-json.ts';
import type { SealedEvent } from '../event/draft.ts';
import { type InboxEvent, inboxRows, truthfulNames } from '../event/inbox-names.ts';
import { namesSql } from '../event/inbox.store.ts';
import { type LeafProjection, projectLeaf } from '../event/leaf-projection.ts';
import type { Leaf } from '../tiles/tile-writer.ts';
import { chainHash, chainStart, leafHash } from '../tree/hashes.ts';

export interface Head {
  readonly origin: string;
  readonly term: number;
  readonly size: number;
  readonly chain: Buffer;
}

interface HeadRow {
  origin: string;
  term: string;
  size: string;
  chain: Buffer;
}

/** "psl-ledg" in ASCII: the session lock of the one leader. */
const leaderLock = '8102939096917566567';
const lockLeader = statement<{ got: boolean }>(
  'ledger.leader.lock',
  `SELECT pg_try_advisory_lock(${leaderLock}) AS got`,
);
const createHead = statement(
  'ledger.head.create',
  'INSERT INTO public.audit_head (origin, chain) VALUES ($1, $2) ON CONFLICT (log) DO NOTHING',
);
const raiseTerm = statement<HeadRow>(
  'ledger.head.term',
  'UPDATE public.audit_head SET term = term + 1 RETURNING origin, term, size, chain',
);
const selectHead = statement<HeadRow>(
  'ledger.head.select',
  'SELECT origin, term, size, chain FROM public.audit_head',
);
const moveHead = statement(
  'ledger.head.move',
  'UPDATE public.audit_head SET size = $1, chain = $2 WHERE term = $3 AND size = $4',
);
const makePartition = statement<{ upto: string }>(
  'ledger.partition',
  'SELECT public.postseal_audit_partition($1) AS upto',
);
const waiting = statement(
  'ledger.inbox.waiting',
  'SELECT 1 FROM public.audit_inbox ORDER BY id LIMIT 1',
);
const countWaiting = statement<{ n: string }>(
  'ledger.inbox.count',
  'SELECT coalesce(sum(cardinality(event_ids)), 0) AS n FROM public.audit_inbox',
);
interface TakenEvent extends InboxEvent {
  readonly event_id: string;
  readonly body: Buffer;
  readonly age_ms: number;
}

const take = statement<TakenEvent>(
  'ledger.inbox.take',
  `WITH picked AS (
     SELECT id FROM (
       SELECT id, cardinality(event_ids) AS n, sum(cardinality(event_ids)) OVER (ORDER BY id) AS upto
         FROM (SELECT id, event_ids FROM public.audit_inbox ORDER BY id LIMIT $1) oldest) s
      WHERE upto <= $1 OR upto = n),
   taken AS (
     DELETE FROM public.audit_inbox i USING picked p WHERE i.id = p.id
     RETURNING i.id, i.event_ids, i.bodies, i.objects, i.object_events,
       extract(epoch FROM clock_timestamp() - i.at) * 1000 AS age_ms)
   SELECT u.event_id, u.body, t.age_ms::float8 AS age_ms, ${namesSql('t', 'u.ord')} AS names
     FROM taken t, unnest(t.event_ids, t.bodies) WITH ORDINALITY AS u (event_id, body, ord)
    ORDER BY t.id, u.ord`,
);
const append = statement(
  'ledger.log.append',
  `INSERT INTO public.audit_log (seq, event_id, at, op, cls, outcome, actor, objects, leaf, chain, body)
   SELECT n, id, ts::timestamptz, op, cls, outcome, actor, string_to_array(objects, ' '), leaf, chain, body
     FROM unnest($1::int8[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                 $9::bytea[], $10::bytea[], $11::bytea[])
       AS u (n, id, ts, op, cls, outcome, actor, objects, leaf, chain, body)`,
);
const selectLeaves = statement<{ seq: string; body: Buffer | null; leaf: Buffer }>(
  'ledger.log.leaves',
  'SELECT seq, body, leaf FROM public.audit_log WHERE seq >= $1 AND seq < $2 ORDER BY seq',
);
const dropReturned = statement<{ event_ids: string[] }>(
  'ledger.inbox.drop-returned',
  `DELETE FROM public.audit_inbox WHERE event_ids && $1::uuid[]
   RETURNING event_ids::text[] AS event_ids`,
);
const guardState = statement<{ text: string }>(
  'ledger.guards',
  `SELECT coalesce(string_agg(line, E'\\n' ORDER BY line), '') AS text FROM (
     SELECT concat_ws(' ', 'trigger', t.tgrelid::regclass, t.tgenabled, pg_get_triggerdef(t.oid)) AS line
       FROM pg_trigger t WHERE t.tgname LIKE 'postseal%' AND NOT t.tgisinternal
     UNION ALL
     SELECT concat_ws(' ', 'function', p.oid::regprocedure, p.proowner::regrole, p.prosecdef, md5(p.prosrc))
       FROM pg_proc p WHERE p.proname LIKE 'postseal%'
     UNION ALL
     SELECT concat_ws(' ', 'table', c.oid::regclass, c.relowner::regrole, c.relacl::text)
       FROM pg_class c WHERE c.relname LIKE 'audit\\_%' AND c.relkind IN ('r', 'p')) s`,
);

/** Takes the leader's lock and a new term, or answers `undefined` while another process leads. */
export async function takeLead(client: pg.ClientBase, origin: string): Promise<Head | undefined> {
  await client.query('SET ROLE postseal_sequencer');
  if ((await lockLeader.first(client))?.got !== true) return undefined;
  await createHead.run(client, [origin, chainStart]);
  const row = await raiseTerm.first(client);
  if (row === undefined) throw new PostsealError('ledger.stalled', { what: 'head' });
  return toHead(row);
}

/** The head as anyone may read it; `undefined` before the first sequencer ran. */
export async function readHead(client: Queryable): Promise<Head | undefined> {
  const row = await selectHead.first(client);
  return row === undefined ? undefined : toHead(row);
}

/** Makes sure that `seq` has a partition; answers the first number beyond it. */
export async function ensurePartition(client: pg.ClientBase, seq: number): Promise<number> {
  return Number((await makePartition.first(client, [seq]))?.upto ?? 0);
}

/** Whether events wait. */
export async function eventsWait(client: pg.ClientBase): Promise<boolean> {
  return (await waiting.first(client)) !== undefined;
}

/** How many events wait. */
export async function countEvents(client: pg.ClientBase): Promise<number> {
  return Number((await countWaiting.first(client))?.n ?? 0);
}

/** Triggers, functions, owners and grants of the guards, as one text to be hashed into `log.anchor`. */
export async function readGuards(client: pg.ClientBase): Promise<string> {
  return (await guardState.first(client))?.text ?? '';
}

export interface Batch {
  readonly head: Head;
  readonly leaves: readonly Leaf[];
  /** Events that came from the inbox. */
  readonly taken: number;
  /** Age of the oldest event taken, in milliseconds. */
  readonly ageMs: number;
}

/**
 * One transaction: `first` (the sequencer's own events) and then up to `limit` events of the inbox in
 * their order. Throws `store.conflict` if another leader has moved the head, and `IntegrityError` for
 * a body that is no leaf; in both cases nothing has changed.
 */
export async function sequenceBatch(
  client: pg.ClientBase,
  head: Head,
  work: { readonly first: readonly SealedEvent[]; readonly limit: number },
): Promise<Batch> {
  return transactionOn(client, async () => {
    const taken = await take.rows(client, [work.limit]);
    const items = [
      ...work.first.map(({ id, body }) => ({ id: id, body })),
      ...taken.map((row) => ({ id: row.event_id, body: row.body })),
    ];
    const { rows, chain } = number(items, head);
    checkNames(taken, rows.slice(work.first.length));
    const ageMs = taken[0]?.age_ms ?? 0;
    if (rows.length === 0) return { head, leaves: [], taken: 0, ageMs };
    await insert(client, rows);
    const size = head.size + rows.length;
    if ((await moveHead.run(client, [size, chain, head.term, head.size])) !== 1) {
      throw new PostsealError('store.conflict', { what: 'ledger-leader', term: head.term });
    }
    return { head: { ...head, size, chain }, leaves: rows, taken: taken.length, ageMs };
  });
}

/**
 * Leaves [from, to) from the log. Throws `IntegrityError` for a number that is missing or whose body
 * is not that of its hash.
 */
export async function readLeaves(client: Queryable, from: number, to: number): Promise<Leaf[]> {
  const rows = await selectLeaves.rows(client, [from, to]);
  const out: Leaf[] = [];
  for (let seq = from; seq < to; seq += 1) {
    const row = rows[seq - from];
    if (row?.seq !== String(seq) || row.body === null || !leafHash(row.body).equals(row.leaf)) {
      throw new IntegrityError('integrity.ledger', { place: `audit_log seq ${seq}`, what: 'leaf' });
    }
    out.push({ body: row.body, hash: row.leaf });
  }
  return out;
}

/** Rows of one statement. */
const sliceRows = 4000;

/**
 * One transaction: the leaves that follow `head` in the published ledger come back into the log, and leave the
 * inbox where they waited; answers the ids of those. The caller leads.
 * @throws IntegrityError for an inbox row of which the ledger has a part only.
 */
export async function putBackLeaves(
  client: pg.ClientBase,
  head: Head,
  bodies: readonly Buffer[],
): Promise<ReadonlySet<string>> {
  return transactionOn(client, async () => {
    const items = bodies.map((body) => ({ id: project(body)?.id ?? '', body }));
    const returned = new Set(items.map(({ id }) => id));
    const dropped = await dropReturned.rows(client, [uuidArray([...returned])]);
    const known = dropped.flatMap(({ event_ids }) => event_ids);
    const half = known.find((id) => !returned.has(id));
    if (half !== undefined) {
      const place = `audit_inbox event ${half}`;
      throw new IntegrityError('integrity.ledger', { place, what: 'a part is in the ledger' });
    }
    const { rows, chain } = number(items, head);
    for (let at = 0; at < rows.length; at += sliceRows) {
      const slice = rows.slice(at, at + sliceRows);
      for (const { seq } of [slice[0], slice.at(-1)].filter((row) => row !== undefined)) {
        await ensurePartition(client, seq);
      }
      await insert(client, slice);
    }
    const size = head.size + rows.length;
    if ((await moveHead.run(client, [size, chain, head.term, head.size])) !== 1) {
      throw new PostsealError('store.conflict', { what: 'ledger-leader', term: head.term });
    }
    return new Set(known);
  });
}

interface LogRow extends Leaf {
  readonly seq: number;
  readonly chain: Buffer;
  readonly leaf: LeafProjection;
}

function number(
  items: readonly { id: string; body: Buffer }[],
  head: Head,
): { rows: LogRow[]; chain: Buffer } {
  const rows: LogRow[] = [];
  let chain = head.chain;
  for (const { id, body } of items) {
    const leaf = project(body);
    if (leaf?.id !== id)
      throw new IntegrityError('integrity.ledger', {
        place: `audit_inbox event ${id}`,
        what: 'leaf',
      });
    const hash = leafHash(body);
    chain = chainHash(chain, hash);
    rows.push({ seq: head.size + rows.length, body, hash, chain, leaf });
  }
  return { rows, chain };
}

/**
 * A row that says that its events name other objects than they do may have let a change pass the guard
 * that no event tells of. Like a body that is no leaf, it stays in the inbox, and the ledger stops.
 */
function checkNames(taken: readonly TakenEvent[], rows: readonly LogRow[]): void {
  for (const [from, to] of inboxRows(taken)) {
    const leaves = rows.slice(from, to).map(({ leaf }) => leaf);
    if (taken[from]?.names === truthfulNames(leaves)) continue;
    throw new IntegrityError('integrity.ledger', {
      place: `audit_inbox event ${taken[from]?.event_id ?? ''}`,
      what: 'objects',
    });
  }
}

function project(body: Buffer): LeafProjection | undefined {
  try {
    return projectLeaf(JSON.parse(body.toString('utf8')) as JsonValue);
  } catch {
    // Not JSON, so not a leaf; the caller names the place.
    return undefined;
  }
}

function insert(client: pg.ClientBase, rows: readonly LogRow[]): Promise<number> {
  const texts = (get: (leaf: LeafProjection) => string) =>
    textArray(rows.map((row) => get(row.leaf)));
  return append.run(client, [
    int8Array(rows.map((row) => row.seq)),
    uuidArray(rows.map((row) => row.leaf.id)),
    texts((leaf) => leaf.ts),
    texts((leaf) => leaf.op),
    texts((leaf) => leaf.cls),
    texts((leaf) => leaf.outcome),
    texts((leaf) => leaf.actor),
    texts((leaf) => leaf.objects.join(' ')),
    byteaArray(rows.map((row) => row.hash)),
    byteaArray(rows.map((row) => row.chain)),
    byteaArray(rows.map((row) => row.body)),
  ]);
}

function toHead(row: HeadRow): Head {
  return { origin: row.origin, term: Number(row.term), size: Number(row.size), chain: row.chain };
}
