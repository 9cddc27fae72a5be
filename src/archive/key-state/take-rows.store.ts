// Reads the key state from the tables, in one snapshot and through cursors, so that neither a switch nor memory
// matters. Which rows: docs/formats/key-state.md "What is in it".
import type pg from 'pg';
import type { OrganisationId } from '../../kernel/ids.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { type SqlValue, statement } from '../../platform/postgres/statement.ts';
import type { FieldKind } from '../../vault/formats/key-state-fields.ts';
import {
  type KeyStateRecord,
  type RecordKind,
  recordKinds,
} from '../../vault/formats/key-state-records.ts';

export interface TakeScope {
  readonly organisation: OrganisationId;
  /** Only rows that were written since this snapshot; undefined: all, and the wraps of rotated groups. */
  readonly after: Horizon | undefined;
  /** Groups whose replaced key ended before are in every data backup as they are now; null: none ended before. */
  readonly rotatedSince: Date | null;
}

/** Transactions from this number on are not in a full key state. */
export interface Horizon {
  readonly xid: bigint;
  /** Group keys that had ended; there never are fewer. */
  readonly ended: number;
}

export interface TakenState {
  readonly horizon: Horizon;
  readonly takenAt: Date;
  /** A group key ended since `after`: what was moved because of it is in no changes, only in a full state. */
  readonly needsFull: boolean;
  readonly rows: AsyncGenerator<KeyStateRecord>;
}

type Kind = Exclude<RecordKind, 'state'>;

interface Source {
  readonly sql: string;
  readonly values: (scope: Asked) => readonly SqlValue[];
}

interface Asked extends TakeScope {
  /** Age of the oldest transaction whose rows are asked for; null: all. */
  readonly ageMax: string | null;
}

const ms = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::int8`;
/** Transaction numbers wrap around, their age does not; what is counted twice does no harm. */
const written = (n: number): string =>
  `($${String(n)}::int8 IS NULL OR age(t.xmin) <= $${String(n)})`;
const rotated = `(SELECT DISTINCT custodian_id, group_no FROM public.group_key
    WHERE state <> 'live' AND ($1::timestamptz IS NULL OR coalesce(destroyed_at, 'infinity') >= $1))`;

const ofOrganisation = ({ organisation, ageMax }: Asked): SqlValue[] => [organisation, ageMax];
const ofRows = ({ ageMax }: Asked): SqlValue[] => [ageMax];
const ofRotated = ({ rotatedSince }: Asked): SqlValue[] => [rotatedSince];

const keySources = {
  generation: {
    sql: `SELECT generation, state, kek_label AS label, store_kind AS "storeKind", token_class AS "tokenClass",
                 ${ms('created_at')} AS "createdAt", ${ms('retired_at')} AS "retiredAt",
                 ${ms('destroying_at')} AS "destroyingAt", ${ms('destroyed_at')} AS "destroyedAt"
            FROM public.kek_generation t WHERE organisation_id = $1 AND ${written(2)} ORDER BY generation`,
    values: ofOrganisation,
  },
  organisationKey: {
    sql: `SELECT slot, version, generation, key_id AS "keyId", state, wrap FROM public.organisation_key t
           WHERE organisation_id = $1 AND ${written(2)} ORDER BY slot, version, generation`,
    values: ofOrganisation,
  },
  custodianKey: {
    sql: `SELECT custodian_id AS custodian, version, generation, key_id AS "keyId", state, wrap
            FROM public.custodian_key t WHERE organisation_id = $1 AND ${written(2)}
           ORDER BY custodian_id, version, generation`,
    values: ofOrganisation,
  },
  slotKey: {
    sql: `SELECT custodian_id AS custodian, slot, version, key_id AS "keyId", parent_version AS "parentVersion", state, wrap
            FROM public.custodian_slot_key t WHERE ${written(1)} ORDER BY custodian_id, slot, version`,
    values: ofRows,
  },
  groupKey: {
    sql: `SELECT custodian_id AS custodian, group_no AS "group", version, key_id AS "keyId",
                 parent_version AS "parentVersion", state, marked, ${ms('retired_at')} AS "retiredAt",
                 ${ms('destroyed_at')} AS "destroyedAt", coalesce(last_generation, 0) AS "lastGeneration", wrap
            FROM public.group_key t WHERE ${written(1)} ORDER BY custodian_id, group_no, version`,
    values: ofRows,
  },
  counter: {
    sql: `SELECT custodian_id AS custodian, next_record_no AS "nextRecordNo"
            FROM public.custodian_counter t WHERE ${written(1)} ORDER BY custodian_id`,
    values: ofRows,
  },
  erased: {
    sql: `SELECT custodian_id AS custodian, record_id AS record, group_no AS "group", version,
                 ${ms('executed_at')} AS "executedAt"
            FROM public.erased_record t WHERE ${written(1)} ORDER BY custodian_id, record_id, group_no`,
    values: ofRows,
  },
} as const satisfies Partial<Record<Kind, Source>>;

const wrapSources = {
  contentWrap: {
    sql: `SELECT w.custodian_id AS custodian, w.content_id AS content, w.group_no AS "group", w.wrap
            FROM ${rotated} g JOIN public.content_wrap w USING (custodian_id, group_no)
           ORDER BY w.custodian_id, w.group_no, w.content_id`,
    values: ofRotated,
  },
  cell: {
    sql: `SELECT m.custodian_id AS custodian, m.record_no AS "recordNo", m.record_id AS record, m.wrap
            FROM ${rotated} g JOIN public.metadata_cell m ON m.custodian_id = g.custodian_id
             AND m.record_no BETWEEN g.group_no * 4096 AND g.group_no * 4096 + 4095
           ORDER BY m.custodian_id, m.record_no`,
    values: ofRotated,
  },
  page: {
    sql: `SELECT p.custodian_id AS custodian, p.page_id AS page, p.first_no AS "firstNo", p.last_no AS "lastNo",
                 p.wrap, p.page AS sealed, coalesce((
                   SELECT string_agg(int8send(s.record_no) || uuid_send(s.record_id), ''::bytea ORDER BY s.record_no)
                     FROM public.metadata_slot s WHERE s.custodian_id = p.custodian_id AND s.page_id = p.page_id
                      AND s.record_no BETWEEN p.first_no AND p.last_no), ''::bytea) AS slots
            FROM ${rotated} g JOIN public.metadata_page p ON p.custodian_id = g.custodian_id
             AND p.first_no BETWEEN g.group_no * 4096 AND g.group_no * 4096 + 4095
           ORDER BY p.custodian_id, p.first_no`,
    values: ofRotated,
  },
} as const satisfies Partial<Record<Kind, Source>>;

const rowsRound = 500;
const sources: Readonly<Record<Kind, Source>> = { ...keySources, ...wrapSources };
const cursors = Object.fromEntries(
  (Object.keys(sources) as Kind[]).map((kind) => [
    kind,
    statement(
      `archive.key-state.take-${kind}`,
      `DECLARE key_state NO SCROLL CURSOR FOR ${sources[kind].sql}`,
    ),
  ]),
) as Readonly<Record<Kind, ReturnType<typeof statement>>>;
const fetchRows = statement<Record<string, unknown>>(
  'archive.key-state.fetch',
  `FETCH ${String(rowsRound)} FROM key_state`,
);
const closeCursor = statement('archive.key-state.close', 'CLOSE key_state');
const begin = statement(
  'archive.key-state.begin',
  'BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY',
);
const end = statement('archive.key-state.end', 'COMMIT');
const selectNow = statement<{ xmin: string; xmax: string; ms: string; ended: number }>(
  'archive.key-state.now',
  `SELECT pg_snapshot_xmin(s)::text AS xmin, pg_snapshot_xmax(s)::text AS xmax, ${ms('now()')}::text AS ms,
          (SELECT count(*)::int4 FROM public.group_key WHERE state = 'destroyed') AS ended
     FROM pg_current_snapshot() AS s`,
);

/** Between two readings of the transaction counter others may begin. */
const ageMargin = 10_000n;

/** Runs `use` over one snapshot; its rows must be read within. */
export async function takeKeyState<T>(
  database: Pick<Database, 'connect'>,
  scope: TakeScope,
  use: (state: TakenState) => Promise<T>,
): Promise<T> {
  const client = await database.connect('key state');
  try {
    await begin.run(client);
    const now = await selectNow.first(client);
    const ageMax =
      scope.after === undefined
        ? null
        : String(BigInt(now?.xmax ?? '0') - scope.after.xid + ageMargin);
    const ended = now?.ended ?? 0;
    const asked = { ...scope, ageMax };
    const answer = await use({
      horizon: { xid: BigInt(now?.xmin ?? '0'), ended },
      takenAt: new Date(Number(now?.ms)),
      needsFull: scope.after !== undefined && scope.after.ended !== ended,
      rows: allRows(client, asked),
    });
    await end.run(client);
    return answer;
  } finally {
    await client.end();
  }
}

async function* allRows(client: pg.ClientBase, asked: Asked): AsyncGenerator<KeyStateRecord> {
  const kinds = asked.after === undefined ? { ...keySources, ...wrapSources } : keySources;
  for (const kind of Object.keys(kinds) as Kind[]) {
    await cursors[kind].run(client, sources[kind].values(asked));
    for (;;) {
      const rows = await fetchRows.rows(client);
      for (const row of rows) yield recordOf(kind, row);
      if (rows.length < rowsRound) break;
    }
    await closeCursor.run(client);
  }
}

/** The driver gives eight-byte numbers as text. */
const numberKinds: ReadonlySet<FieldKind> = new Set(['u32', 'u64', 'time']);

function recordOf(kind: Kind, row: Record<string, unknown>): KeyStateRecord {
  const out: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(recordKinds[kind].fields)) {
    const value = row[name] ?? null;
    out[name] = value !== null && numberKinds.has(field) ? Number(value) : value;
  }
  return { kind, row: out } as unknown as KeyStateRecord;
}
