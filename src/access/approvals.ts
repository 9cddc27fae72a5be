// Four eyes: one person proposes an act of the approval table, another one who may decides, and the
// act itself uses the approval up inside its own transaction.
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { PostsealError } from '../kernel/errors.ts';
import type { EventId } from '../kernel/ids.ts';
import { canonicalJson, type JsonValue } from '../ledger/event/canonical-json.ts';
import type { Pseudonyms } from '../ledger/event/actor-keys.store.ts';
import type { EventSealer } from '../ledger/event/event-sealer.ts';
import { withEvents } from '../ledger/event/inbox.store.ts';
import type { Database } from '../platform/postgres/database.ts';
import {
  type ApprovalAct,
  type ApprovalRow,
  approvalTable,
  isApprovalAct,
} from './approval-table.ts';
import {
  type ApprovalRecord,
  type ApprovalStateName,
  insertApproval,
  listApprovals,
  lockApproval,
  setApprovalState,
} from './approval.store.ts';
import { personActor, type PersonSession } from './person-actor.ts';

export interface ApprovalsDeps {
  readonly database: Database;
  readonly sealer: EventSealer;
  readonly pseudonyms: Pseudonyms;
}

export interface Approvals {
  /** @throws PostsealError `access.denied` if the person's roles may not propose the act. */
  propose(act: ApprovalAct, subject: JsonValue, by: PersonSession): Promise<ApprovalRecord>;
  /** @throws PostsealError `approval.self`, `access.denied`, `approval.unknown`, `approval.state`. */
  decide(
    id: string,
    decision: { readonly grant: boolean; readonly reason?: string },
    by: PersonSession,
  ): Promise<ApprovalRecord>;
  list(state?: ApprovalStateName): Promise<ApprovalRecord[]>;
  /**
   * Inside the transaction of the act: the approval must be granted, of this act and of exactly this
   * subject, and is used up by `event`. @throws PostsealError `approval.unknown`, `approval.state`.
   */
  use(
    client: pg.ClientBase,
    approval: { readonly id: string; readonly act: ApprovalAct; readonly subject: JsonValue },
    event: EventId,
  ): Promise<void>;
}

function rowOf(act: string): ApprovalRow {
  if (!isApprovalAct(act)) throw new PostsealError('approval.unknown');
  return approvalTable[act];
}

function requireRole(allowed: ApprovalRow['proposes'], by: PersonSession): void {
  if (!by.person.roles.some((role) => allowed.includes(role))) {
    throw new PostsealError('access.denied', { needs: allowed.join(' or ') });
  }
}

async function propose(
  deps: ApprovalsDeps,
  input: { readonly act: ApprovalAct; readonly subject: JsonValue },
  by: PersonSession,
): Promise<ApprovalRecord> {
  const { proposes } = rowOf(input.act);
  requireRole(proposes, by);
  const id = randomUUID();
  const draft = {
    op: 'approval.proposed',
    outcome: 'success',
    actor: personActor(deps.pseudonyms, by, proposes),
    objects: [{ t: 'apr', id }],
    fields: { act: input.act },
  } as const;
  return withEvents(deps.database, deps.sealer, [draft], async (client, [event]) => {
    if (event === undefined) throw new PostsealError('internal');
    const subject = canonicalJson(input.subject);
    await insertApproval(
      client,
      { id, act: input.act, subject, proposedBy: by.person.id },
      event.id,
    );
    const record = await lockApproval(client, id);
    if (record === undefined) throw new PostsealError('internal');
    return record;
  });
}

async function decide(
  deps: ApprovalsDeps,
  input: { readonly id: string; readonly grant: boolean; readonly reason?: string },
  by: PersonSession,
): Promise<ApprovalRecord> {
  const draft = {
    op: input.grant ? 'approval.granted' : 'approval.denied',
    outcome: 'success',
    actor: personActor(deps.pseudonyms, by),
    objects: [{ t: 'apr', id: input.id }],
  } as const;
  return withEvents(deps.database, deps.sealer, [draft], async (client, [event]) => {
    const record = await lockApproval(client, input.id);
    if (event === undefined || record === undefined) throw new PostsealError('approval.unknown');
    if (record.proposedBy === by.person.id) throw new PostsealError('approval.self');
    requireRole(rowOf(record.act).approves, by);
    if (record.state !== 'proposed')
      throw new PostsealError('approval.state', { state: record.state });
    await setApprovalState(client, {
      id: input.id,
      state: input.grant ? 'granted' : 'denied',
      by: by.person.id,
      ...(input.reason === undefined ? {} : { reason: input.reason }),
      event: event.id,
    });
    return (await lockApproval(client, input.id)) ?? record;
  });
}

export function createApprovals(deps: ApprovalsDeps): Approvals {
  return {
    propose: (act, subject, by) => propose(deps, { act, subject }, by),
    decide: (id, decision, by) => decide(deps, { id, ...decision }, by),
    list: (state) => listApprovals(deps.database.pool, state),
    async use(client, approval, event) {
      const record = await lockApproval(client, approval.id);
      const fits =
        record?.act === approval.act && record.subject === canonicalJson(approval.subject);
      if (!fits) throw new PostsealError('approval.unknown');
      if (record.state !== 'granted') {
        throw new PostsealError('approval.state', { state: record.state });
      }
      await setApprovalState(client, { id: approval.id, state: 'used', event });
    },
  };
}
