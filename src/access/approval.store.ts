// Rows of approvals: proposed by one person, decided by another.
import type pg from 'pg';
import type { EventId, PersonId } from '../kernel/ids.ts';
import { type Queryable, statement } from '../platform/postgres/statement.ts';

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
}

const columns =
  'approval_id, act, subject, proposed_by, proposed_at, state, decided_by, decided_at, reason';
const insert = statement(
  'access.approval.insert',
  `INSERT INTO public.approval (approval_id, act, subject, proposed_by, state, event_id)
   VALUES ($1, $2, $3, $4, 'proposed', $5)`,
);
const lock = statement<Row>(
  'access.approval.lock',
  `SELECT ${columns} FROM public.approval WHERE approval_id = $1 FOR UPDATE`,
);
const list = statement<Row>(
  'access.approval.list',
  `SELECT ${columns} FROM public.approval
    WHERE $1::text IS NULL OR state = $1 ORDER BY proposed_at DESC, approval_id LIMIT 500`,
);
const decide = statement(
  'access.approval.decide',
  `UPDATE public.approval SET state = $2, decided_by = coalesce($3, decided_by),
          decided_at = coalesce(decided_at, now()), reason = coalesce($4, reason), event_id = $5
    WHERE approval_id = $1`,
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
  };
}

export async function insertApproval(
  client: pg.ClientBase,
  approval: Pick<ApprovalRecord, 'id' | 'act' | 'subject' | 'proposedBy'>,
  event: EventId,
): Promise<void> {
  const { id, act, subject, proposedBy } = approval;
  await insert.run(client, [id, act, subject, proposedBy, event]);
}

export async function lockApproval(
  client: pg.ClientBase,
  id: string,
): Promise<ApprovalRecord | undefined> {
  const row = await lock.first(client, [id]);
  return row === undefined ? undefined : toRecord(row);
}

export async function listApprovals(
  client: Queryable,
  state?: ApprovalStateName,
): Promise<ApprovalRecord[]> {
  return (await list.rows(client, [state ?? null])).map(toRecord);
}

export async function setApprovalState(
  client: pg.ClientBase,
  input: {
    readonly id: string;
    readonly state: ApprovalStateName;
    readonly by?: PersonId;
    readonly reason?: string;
    readonly event: EventId;
  },
): Promise<void> {
  const { id, state, by, reason, event } = input;
  await decide.run(client, [id, state, by ?? null, reason ?? null, event]);
}
