// The daily comparison of keys handed out with the ledger (docs/architecture.md §3 "Key service"): the key service
// writes down what it answers, whoever asks, and here each of it must find the event that allows or explains it. So
// a process that has the socket and leaves the ledger out is found, although nothing of it was refused.
import type { Committer } from '../../archive/committer/types.ts';
import type { OrganisationId } from '../../kernel/ids.ts';
import type { Actor } from '../../ledger/event/draft.ts';
import { lastEventFields } from '../../ledger/query/last-event.store.ts';
import type { AlertBus } from '../../platform/alerts/alert-bus.ts';
import type { Database } from '../../platform/postgres/database.ts';
import type { Finding } from './finding.ts';
import { handedOut, lastSettled, pruneHandouts } from './handout-list.store.ts';
import { judgeOpened } from './judge-opened.ts';
import { judgeUnasked } from './judge-unasked.ts';

export interface ReconcileDeps {
  readonly database: Pick<Database, 'pool'>;
  readonly committer: Pick<Committer, 'record'>;
  readonly organisation: OrganisationId;
}

export interface Reconciled {
  /** Rows of the key service that were compared, and the keys in them. */
  readonly rows: number;
  readonly keys: number;
  readonly findings: readonly Finding[];
}

/** What came in this late is compared the next time: the event of what was wrapped may still come. */
export const settleSecondsDefault = 1_800;
const rowsPerPage = 1_000;
const keptDays = 8;
/** Findings that the event names; all are counted. */
const namedMax = 20;

/**
 * Compares everything since the last time and records the result. `check` is called between pages and may throw;
 * then nothing is recorded and the next run begins where this one did.
 */
export async function reconcileKeys(
  deps: ReconcileDeps,
  actor: Actor,
  options: { readonly settleSeconds?: number; readonly check?: () => void } = {},
): Promise<Reconciled> {
  const { database, organisation } = deps;
  const { pool } = database;
  const before = await lastEventFields(pool, 'key.reconciled');
  const from = Number(before?.['through'] ?? 0);
  const settle = options.settleSeconds ?? settleSecondsDefault;
  const through = (await lastSettled(pool, from, settle)) ?? from;
  const findings: Finding[] = [];
  let rows = 0;
  let keys = 0;
  for (let after = from; after < through;) {
    options.check?.();
    const page = await handedOut(pool, after, through, rowsPerPage);
    const last = page.at(-1);
    if (last === undefined) break;
    const opened = page.filter(({ kind }) => kind === 'opened');
    findings.push(...(await judgeOpened(pool, opened)));
    findings.push(...(await judgeUnasked(pool, page, organisation)));
    rows += page.length;
    keys += page.reduce((sum, row) => sum + row.keys, 0);
    after = last.id;
  }
  await record(deps, actor, { from, through, rows, keys }, findings);
  await pruneHandouts(pool, through, keptDays);
  return { rows, keys, findings };
}

/** Tells a person, once a run. */
export function alertOfFindings(alerts: Pick<AlertBus, 'raise'>, { findings }: Reconciled): void {
  const [first] = findings;
  if (first === undefined) return;
  const { reason, kind, custodian } = first;
  const fields = { findings: findings.length, reason, kind, custodian };
  alerts.raise({ code: 'key.unreconciled', fields });
}

async function record(
  { committer, organisation }: ReconcileDeps,
  actor: Actor,
  counts: Readonly<Record<string, number>>,
  findings: readonly Finding[],
): Promise<void> {
  const named = findings.slice(0, namedMax);
  const custodians = new Set(named.map(({ custodian }) => custodian));
  custodians.delete(organisation);
  await committer.record({
    op: 'key.reconciled',
    outcome: findings.length === 0 ? 'success' : 'failure',
    actor,
    objects: [...custodians].map((id) => ({ t: 'cus', id }) as const),
    fields: {
      ...counts,
      findings: findings.length,
      named: named.map(({ reason, kind, keyKind, custodian, keys, event }) => ({
        ...{ reason, kind, keyKind, custodian, keys },
        ...(event === undefined ? {} : { event }),
      })),
    },
  });
}
