// Four eyes: one person proposes an act of the approval table, another one who may decides, and the
// act itself uses the approval up inside its own transaction. Proposals expire by the database's clock.
// Who may do what: src/access/approval-table.ts; why: docs/security/roles.md.
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { PostsealError } from '../kernel/errors.ts';
import type { EventId, PersonId } from '../kernel/ids.ts';
import { canonicalJson, type JsonValue } from '../ledger/event/canonical-json.ts';
import type { Pseudonyms } from '../ledger/event/actor-keys.store.ts';
import type { EventSealer } from '../ledger/event/event-sealer.ts';
import { type Actor, type EventDraft, systemActor } from '../ledger/event/draft.ts';
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
  addDecision,
  countHolders,
  countStandingGrants,
  expireApproval,
  insertApproval,
  listApprovals,
  lockApproval,
  openApprovals,
  readApproval,
  setApprovalState,
} from './approval.store.ts';
import { personActor, type PersonSession } from './person-actor.ts';

export interface ApprovalsDeps {
  readonly database: Database;
  readonly sealer: EventSealer;
  readonly pseudonyms: Pseudonyms;
  /** What the configuration asks for in place of the table. */
  readonly quorum?: Readonly<Partial<Record<ApprovalAct, Quorum>>>;
}

/** `decisions` of at least `holders` persons must grant. */
export interface Quorum {
  readonly decisions: number;
  readonly holders: number;
}

/** What a client is shown of an approval. */
export interface Approval {
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
}

export interface Approvals {
  /**
   * @throws PostsealError `access.denied` if the person's roles may not propose the act, `approval.officers`
   * where too few could decide.
   */
  propose(act: ApprovalAct, subject: JsonValue, by: PersonSession): Promise<Approval>;
  /**
   * Grants or denies; where several must grant, one who has granted waits for the others. @throws PostsealError `approval.self` for the proposer, `approval.subject` for the
   * person that the act is about, `approval.twice`, `access.denied`, `approval.unknown`, `approval.state`.
   */
  decide(
    id: string,
    decision: { readonly grant: boolean; readonly reason?: string },
    by: PersonSession,
  ): Promise<Approval>;
  /** The newest 500, newest first. */
  list(state?: ApprovalStateName): Promise<Approval[]>;
  /**
   * Inside the transaction of the act: the approval must be granted, of this act and of exactly this
   * subject, its delay over and itself not expired; `event`, an `approvalUsed`, uses it up.
   * @throws PostsealError `approval.unknown`, `approval.state`.
   */
  use(
    client: pg.ClientBase,
    approval: { readonly id: string; readonly act: ApprovalAct; readonly subject: JsonValue },
    event: EventId,
  ): Promise<void>;
  /** Writes down which of the oldest open ones ran out of time; how many. */
  expire(): Promise<number>;
}

/** The event with which an act uses its approval up; goes with the event of the act. */
export function approvalUsed(id: string, actor: Actor): EventDraft {
  return { op: 'approval.used', outcome: 'success', actor, objects: [{ t: 'apr', id }] };
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

/** What is still open and too old has expired, whether or not it was written down already. */
function stateOf({ act, state, ageHours }: ApprovalRecord): ApprovalStateName {
  const open = state === 'proposed' || state === 'granted';
  return open && ageHours > rowOf(act).validHours ? 'expired' : state;
}

function shown(record: ApprovalRecord): Approval {
  const { id, act, subject, proposedBy, proposedAt, decidedBy, decidedAt, reason } = record;
  const { needed, grants } = record;
  const about = { id, act, subject, proposedBy, proposedAt, decidedBy, decidedAt, reason };
  return { ...about, needed, grants, state: stateOf(record) };
}

function requireState(record: ApprovalRecord, needed: ApprovalStateName): void {
  const state = stateOf(record);
  if (state !== needed) throw new PostsealError('approval.state', { state });
}

/** Nobody decides on their own proposal, nor on an act about themselves. */
function requireAnother(record: ApprovalRecord, by: PersonSession): void {
  const { person } = JSON.parse(record.subject) as { readonly person?: unknown };
  if (record.proposedBy === by.person.id) throw new PostsealError('approval.self');
  if (person === by.person.id) throw new PostsealError('approval.subject');
}

async function propose(
  deps: ApprovalsDeps,
  input: { readonly act: ApprovalAct; readonly subject: JsonValue },
  by: PersonSession,
): Promise<Approval> {
  const { act } = input;
  const { proposes } = rowOf(act);
  requireRole(proposes, by);
  const { decisions: needed, holders } = quorumOf(deps, act);
  const { approves } = rowOf(act);
  const found = await countHolders(deps.database.pool, approves);
  // Whoever proposes does not decide: of as many as must grant there would be one too few, for ever.
  const own = by.person.roles.some((role) => approves.includes(role)) ? 1 : 0;
  const needs = Math.max(holders, needed + own);
  if (holders > 0 && found < needs) throw new PostsealError('approval.officers', { needs, found });
  const id = randomUUID();
  const draft = {
    op: 'approval.proposed',
    outcome: 'success',
    actor: personActor(deps.pseudonyms, by, proposes),
    objects: [{ t: 'apr', id }],
    fields: { act },
  } as const;
  return withEvents(deps.database, deps.sealer, [draft], async (client, [event]) => {
    if (event === undefined) throw new PostsealError('internal');
    const subject = canonicalJson(input.subject);
    const row = { id, act, subject, proposedBy: by.person.id, needed };
    await insertApproval(client, row, event.id);
    return shown(await need(client, id));
  });
}

function quorumOf(deps: ApprovalsDeps, act: ApprovalAct): Quorum {
  const { decisions = 1, holders = 0 }: ApprovalRow = approvalTable[act];
  return deps.quorum?.[act] ?? { decisions, holders };
}

async function need(client: pg.ClientBase, id: string): Promise<ApprovalRecord> {
  const record = await lockApproval(client, id);
  if (record === undefined) throw new PostsealError('approval.unknown');
  return record;
}

async function decide(
  deps: ApprovalsDeps,
  input: { readonly id: string; readonly grant: boolean; readonly reason?: string },
  by: PersonSession,
): Promise<Approval> {
  const { id, grant, reason } = input;
  // Looked at before the transaction, for the role in which the person decides; checked again inside.
  const early = await readApproval(deps.database.pool, id);
  if (early === undefined) throw new PostsealError('approval.unknown');
  const draft = {
    op: grant ? 'approval.granted' : 'approval.denied',
    outcome: 'success',
    actor: personActor(deps.pseudonyms, by, rowOf(early.act).approves),
    objects: [{ t: 'apr', id }],
  } as const;
  return withEvents(deps.database, deps.sealer, [draft], async (client, [event]) => {
    if (event === undefined) throw new PostsealError('internal');
    const record = await need(client, id);
    requireAnother(record, by);
    requireRole(rowOf(record.act).approves, by);
    requireState(record, 'proposed');
    const decision = { id, by: by.person.id, granted: grant };
    if (!(await addDecision(client, decision, event.id))) throw new PostsealError('approval.twice');
    // Counted anew: whoever decided while this one waited for the row is not in what was read with it.
    const counted = await need(client, id);
    if (grant && counted.grants < counted.needed) return shown(counted);
    await setApprovalState(client, {
      id,
      state: grant ? 'granted' : 'denied',
      by: by.person.id,
      ...(reason === undefined ? {} : { reason }),
      event: event.id,
    });
    return shown(await need(client, id));
  });
}

/** Where several must grant, who was relieved of the office before the act has not granted it. */
async function requireStanding(client: pg.ClientBase, record: ApprovalRecord): Promise<void> {
  const { id, act, needed } = record;
  if (needed === 1) return;
  const standing = await countStandingGrants(client, id, rowOf(act).approves);
  if (standing < needed) throw new PostsealError('approval.state', { state: 'granted', standing });
}

async function expire(deps: ApprovalsDeps): Promise<number> {
  const late = (await openApprovals(deps.database.pool)).filter(
    (record) => stateOf(record) === 'expired',
  );
  let written = 0;
  for (const { id } of late) {
    const draft = {
      op: 'approval.expired',
      outcome: 'success',
      actor: systemActor,
      objects: [{ t: 'apr', id }],
    } as const;
    await withEvents(deps.database, deps.sealer, [draft], async (client, [event]) => {
      if (event === undefined) throw new PostsealError('internal');
      // An approval that is too old is neither decided nor used: only another node's job can be first.
      if ((await expireApproval(client, { id, event: event.id })) === 0) {
        throw new PostsealError('store.conflict', { approval: id });
      }
    });
    written += 1;
  }
  return written;
}

export function createApprovals(deps: ApprovalsDeps): Approvals {
  return {
    propose: (act, subject, by) => propose(deps, { act, subject }, by),
    decide: (id, decision, by) => decide(deps, { id, ...decision }, by),
    async list(state) {
      const all = (await listApprovals(deps.database.pool)).map(shown);
      return state === undefined ? all : all.filter((approval) => approval.state === state);
    },
    expire: () => expire(deps),
    async use(client, approval, event) {
      const record = await need(client, approval.id);
      if (record.act !== approval.act || record.subject !== canonicalJson(approval.subject)) {
        throw new PostsealError('approval.unknown');
      }
      requireState(record, 'granted');
      const { delayHours } = rowOf(record.act);
      if (record.decidedHours < delayHours) {
        throw new PostsealError('approval.state', { state: 'granted', delayHours });
      }
      await requireStanding(client, record);
      await setApprovalState(client, { id: approval.id, state: 'used', event });
    },
  };
}
