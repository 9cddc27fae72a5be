// Routes of the ledger: query, newest checkpoint, proof of one event. Each look is itself an event.
import type { Committer } from '../../archive/committer/types.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { Pseudonyms } from '../../ledger/event/actor-keys.store.ts';
import type { Outcome } from '../../ledger/event/draft.ts';
import { eventNames, isEventName } from '../../ledger/event/registry.ts';
import { ledgerProof } from '../../ledger/query/ledger-proof.ts';
import { type LedgerFilter, type LedgerRow, queryLedger } from '../../ledger/query/query.store.ts';
import { readHead } from '../../ledger/sequencer/sequencer.store.ts';
import type { TileFiles } from '../../ledger/tiles/tile-files.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { personActor, type PersonSession } from '../person-actor.ts';
import type { Role } from '../roles.ts';
import { noInput, objectSchema, type Route, route } from './route.ts';

export interface LedgerRoutesDeps {
  readonly database: Pick<Database, 'pool'>;
  readonly committer: Pick<Committer, 'record'>;
  readonly pseudonyms: Pick<Pseudonyms, 'of'>;
  readonly files: Pick<TileFiles, 'read' | 'readCheckpoint'>;
}

const access: readonly Role[] = ['audit-admin'];
const text = { type: 'string', minLength: 1, maxLength: 200 };
const instant = {
  type: 'string',
  pattern: '^\\d{4}-\\d\\d-\\d\\d(T[0-9:.]{5,15}(Z|[+-]\\d\\d:\\d\\d))?$',
  inWords: 'an instant such as 2026-01-31 or 2026-01-31T10:00:00Z',
};
const digits = { type: 'string', pattern: '^\\d{1,15}$', inWords: 'a whole number' };
const pageLength = {
  type: 'string',
  pattern: '^([1-9]\\d{0,2}|1000)$',
  inWords: 'a whole number from 1 to 1000',
};
const outcomes: readonly Outcome[] = ['success', 'failure', 'denied'];
const limitDefault = 100;

interface QueryInput {
  readonly op?: string;
  readonly outcome?: string;
  readonly object?: string;
  readonly from?: string;
  readonly to?: string;
  readonly after?: string;
  readonly limit?: string;
}

function filterOf(input: QueryInput): LedgerFilter {
  const { op, outcome, object, from, to, after, limit } = input;
  if (op !== undefined && !isEventName(op)) {
    throw new PostsealError('usage', { op, finding: `must be one of ${likely(op).join(', ')}` });
  }
  return {
    ...(op === undefined ? {} : { op: [op] }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(object === undefined ? {} : { object }),
    ...(from === undefined ? {} : { from: instantOf(from, 'from') }),
    ...(to === undefined ? {} : { until: instantOf(to, 'to') }),
    ...(after === undefined ? {} : { after: Number(after) }),
    // Who says where to begin reads on from there; all others want to know what happened last.
    order: from === undefined && after === undefined ? 'newest' : 'oldest',
    limit: limit === undefined ? limitDefault : Number(limit),
  };
}

/** Events of the same kind, else the kinds that there are: all names would be a page. */
function likely(op: string): readonly string[] {
  const kindOf = (name: string): string => name.split('.')[0] ?? '';
  const alike = eventNames.filter((name) => kindOf(name) === kindOf(op));
  if (alike.length > 0) return alike;
  return [...new Set(eventNames.map((name) => `${kindOf(name)}.…`))];
}

/** The pattern lets dates through that no calendar has. */
function instantOf(text: string, name: string): string {
  if (Number.isNaN(Date.parse(text))) throw new PostsealError('usage', { [name]: text });
  return text;
}

function shown(row: LedgerRow): object {
  const { seq, at, op, outcome, actor, objects, leaf, eventId, body } = row;
  const act = (body as { act?: { role?: unknown } } | undefined)?.act;
  return { seq, at, op, outcome, role: act?.role ?? '', objects, actor, eventId, leaf, body };
}

/** The look is recorded before its answer is given; the filter's values may name people. */
async function recordLook(
  deps: LedgerRoutesDeps,
  by: PersonSession | undefined,
  look: { readonly what: string; readonly rows: number },
): Promise<void> {
  if (by === undefined) throw new PostsealError('access.signed-out');
  await deps.committer.record({
    op: 'ledger.queried',
    outcome: 'success',
    actor: personActor(deps.pseudonyms, by, access),
    objects: [],
    fields: look,
  });
}

export function ledgerRoutes(deps: LedgerRoutesDeps): readonly Route[] {
  return [
    route<QueryInput>({
      name: 'ledger.query',
      method: 'GET',
      path: '/ledger/events',
      summary: 'List events of the ledger, the newest last',
      access,
      input: objectSchema(
        {
          op: text,
          outcome: { type: 'string', enum: [...outcomes] },
          object: text,
          from: instant,
          to: instant,
          after: digits,
          limit: pageLength,
        },
        ['op', 'outcome', 'object', 'from', 'to', 'after', 'limit'],
      ),
      async run({ input, by }) {
        const filter = filterOf(input);
        const { rows } = await queryLedger(deps.database.pool, filter);
        await recordLook(deps, by, { what: 'query', rows: rows.length });
        const inOrder = filter.order === 'newest' ? rows.toReversed() : rows;
        return inOrder.map(shown);
      },
    }),
    route({
      name: 'ledger.checkpoint',
      method: 'GET',
      path: '/ledger/checkpoint',
      summary: 'The newest signed checkpoint',
      access: 'signed-in',
      input: noInput,
      async run() {
        const bytes = await deps.files.readCheckpoint();
        if (bytes === undefined)
          throw new PostsealError('ledger.stalled', { what: 'no checkpoint yet' });
        return { checkpoint: bytes.toString('utf8') };
      },
    }),
    route<{ seq: string }>({
      name: 'ledger.proof',
      method: 'GET',
      path: '/ledger/events/:seq/proof',
      summary: 'The .tlog-proof of one event',
      access,
      input: objectSchema({ seq: digits }),
      async run({ input, by }) {
        const seq = Number(input.seq);
        const entries = (await readHead(deps.database.pool))?.size ?? 0;
        if (seq >= entries) throw new PostsealError('ledger.no-entry', { seq, entries });
        const proof = await ledgerProof(deps.files, seq);
        await recordLook(deps, by, { what: 'proof', rows: 1 });
        return { proof };
      },
    }),
  ];
}
