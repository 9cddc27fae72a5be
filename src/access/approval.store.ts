// Rows of approvals: proposed by one person, decided by another.
import type pg from 'pg';
import type { EventId, PersonId } from '../kernel/ids.ts';
import { textArray } from '../platform/postgres/binary-arrays.ts';
import { type Queryable, statement } from '../platform/postgres/statement.ts';

/** `expired` follows from the row's age at once (approvals.ts); it is written down a little later. */
export type ApprovalStateName = 'proposed' | 'granted' | 'denied' | 'used' | 'expired';

export interface ApprovalRecord {
  readonly id: string;
  readonly act: string;
  /** Canonical JSON of what is approved: ids only. */
  readonly subject: string;
  readonly proposedBy: PersonId;
  readonly proposedAt: string;
  readonly state: ApprovalStateName;
  readonly decidedBy: PersonId | null;
  readonly decidedAt: string | null;
  readonly reason: string | null;
  /** How many must grant, and how many have. */
  readonly needed: number;
  readonly grants: number;
  /** Hours since the proposal, by the database's clock. */
  readonly ageHours: number;
  /** Hours since the decision; 0 while there is none. */
  readonly decidedHours: number;
}

interface Row extends pg.QueryResultRow {
  readonly approval_id: string;
  readonly act: string;
  readonly subject: string;
  readonly proposed_by: string;
  readonly proposed_at: Date;
  readonly state: ApprovalStateName;
  readonly decided_by: string | null;
  readonly decided_at: Date | null;
  readonly reason: string | null;
  readonly decisions_needed: number;
  readonly grants: number;
  readonly age_hours: number;
  readonly decided_hours: number;
}

const columns = `approval_id, act, subject, proposed_by, proposed_at, state, decided_by, decided_at, reason,
  decisions_needed, (SELECT count(*)::int FROM public.approval_decision d
    WHERE d.approval_id = approval.approval_id AND d.granted) AS grants,
  (extract(epoch FROM now() - proposed_at) / 3600)::float8 AS age_hours,
  coalesce(extract(epoch FROM now() - decided_at) / 3600, 0)::float8 AS decided_hours`;
const insert = statement(
  'access.approval.insert',
  `INSERT INTO public.approval (approval_id, act, subject, proposed_by, decisions_needed, state, event_id)
   VALUES ($1, $2, $3, $4, $5, 'proposed', $6)`,
);
const lock = statement<Row>(
  'access.approval.lock',
  `SELECT ${columns} FROM public.approval WHERE approval_id = $1 FOR UPDATE`,
);
const read = statement<Row>(
  'access.approval.read',
  `SELECT ${columns} FROM public.approval WHERE approval_id = $1`,
);
const list = statement<Row>(
  'access.approval.list',
  `SELECT ${columns} FROM public.approval
    ORDER BY proposed_at DESC, approval_id LIMIT 500`,
);
const decide = statement(
  'access.approval.decide',
  `UPDATE public.approval SET state = $2, decided_by = coalesce($3, decided_by),
          decided_at = coalesce(decided_at, now()), reason = coalesce($4, reason), event_id = $5
    WHERE approval_id = $1`,
);

const open = statement<Row>(
  'access.approval.open',
  `SELECT ${columns} FROM public.approval WHERE state IN ('proposed', 'granted')
    ORDER BY proposed_at, approval_id LIMIT 500`,
);
const expire = statement(
  'access.approval.expire',
  `UPDATE public.approval SET state = 'expired', event_id = $2
    WHERE approval_id = $1 AND state IN ('proposed', 'granted')`,
);

const insertDecision = statement(
  'access.approval.insert-decision',
  `INSERT INTO public.approval_decision (approval_id, person_id, granted, event_id)
   VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
);
const selectHolders = statement<{ holders: number }>(
  'access.approval.holders',
  `SELECT count(DISTINCT p.person_id)::int AS holders FROM public.person p
     JOIN public.role_assignment a ON a.person_id = p.person_id AND a.active
    WHERE p.state = 'active' AND a.role = ANY ($1::text[])`,
);

const selectStanding = statement<{ grants: number }>(
  'access.approval.standing',
  `SELECT count(DISTINCT d.person_id)::int AS grants FROM public.approval_decision d
     JOIN public.person p ON p.person_id = d.person_id AND p.state = 'active'
     JOIN public.role_assignment a ON a.person_id = p.person_id AND a.active AND a.role = ANY ($2::text[])
    WHERE d.approval_id = $1 AND d.granted`,
);

function toRecord(row: Row): ApprovalRecord {
  return {
    id: row.approval_id,
    act: row.act,
    subject: row.subject,
    proposedBy: row.proposed_by as PersonId,
    proposedAt: row.proposed_at.toISOString(),
    state: row.state,
    decidedBy: row.decided_by as PersonId | null,
    decidedAt: row.decided_at?.toISOString() ?? null,
    reason: row.reason,
    needed: row.decisions_needed,
    grants: row.grants,
    ageHours: row.age_hours,
    decidedHours: row.decided_hours,
  };
}

export async function insertApproval(
  client: pg.ClientBase,
  approval: Pick<ApprovalRecord, 'id' | 'act' | 'subject' | 'proposedBy' | 'needed'>,
  event: EventId,
): Promise<void> {
  const { id, act, subject, proposedBy, needed } = approval;
  await insert.run(client, [id, act, subject, proposedBy, needed, event]);
}

export async function lockApproval(
  client: pg.ClientBase,
  id: string,
): Promise<ApprovalRecord | undefined> {
  const row = await lock.first(client, [id]);
  return row === undefined ? undefined : toRecord(row);
}

export async function readApproval(
  client: Queryable,
  id: string,
): Promise<ApprovalRecord | undefined> {
  const row = await read.first(client, [id]);
  return row === undefined ? undefined : toRecord(row);
}

/** Keeps who decided; false if this person has decided before. */
export async function addDecision(
  client: pg.ClientBase,
  decision: { readonly id: string; readonly by: PersonId; readonly granted: boolean },
  event: EventId,
): Promise<boolean> {
  const { id, by, granted } = decision;
  return (await insertDecision.run(client, [id, by, granted, event])) === 1;
}

/** Persons who may sign in and hold one of these roles. */
export async function countHolders(client: Queryable, roles: readonly string[]): Promise<number> {
  return (await selectHolders.first(client, [textArray(roles)]))?.holders ?? 0;
}

/** Grants of persons who may still sign in and still hold one of these roles. */
export async function countStandingGrants(
  client: Queryable,
  id: string,
  roles: readonly string[],
): Promise<number> {
  return (await selectStanding.first(client, [id, textArray(roles)]))?.grants ?? 0;
}

/** The newest 500, newest first. */
export async function listApprovals(client: Queryable): Promise<ApprovalRecord[]> {
  return (await list.rows(client)).map(toRecord);
}

/** The oldest 500 that are neither denied nor used nor written down as expired, oldest first. */
export async function openApprovals(client: Queryable): Promise<ApprovalRecord[]> {
  return (await open.rows(client)).map(toRecord);
}

/** Number of rows that were still open: 0 or 1. */
export async function expireApproval(
  client: pg.ClientBase,
  input: { readonly id: string; readonly event: EventId },
): Promise<number> {
  return expire.run(client, [input.id, input.event]);
}

export async function setApprovalState(
  client: pg.ClientBase,
  input: {
    readonly id: string;
    readonly state: Exclude<ApprovalStateName, 'expired'>;
    readonly by?: PersonId;
    readonly reason?: string;
    readonly event: EventId;
  },
): Promise<void> {
  const { id, state, by, reason, event } = input;
  await decide.run(client, [id, state, by ?? null, reason ?? null, event]);
}
