// The signature under a restore: one person proposes exactly this report, another one grants and thereby opens the
// archive. Both are events, and the second is one transaction with the opening.
import { createHash } from 'node:crypto';
import { type ApprovalAct, approvalTable } from '../../access/approval-table.ts';
import { type Approvals, approvalUsed } from '../../access/approvals.ts';
import { personActor, type PersonSession } from '../../access/person-actor.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { OrganisationId } from '../../kernel/ids.ts';
import { canonicalJson } from '../../ledger/event/canonical-json.ts';
import type { Pseudonyms } from '../../ledger/event/actor-keys.store.ts';
import type { EventSealer } from '../../ledger/event/event-sealer.ts';
import { withEvents } from '../../ledger/event/inbox.store.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { type HomeRestore, newestRestore, signRestores } from './home-restore.store.ts';

export interface SignRestoreDeps {
  readonly database: Database;
  readonly sealer: EventSealer;
  readonly pseudonyms: Pick<Pseudonyms, 'of'>;
  readonly organisation: OrganisationId;
  readonly approvals: Pick<Approvals, 'list' | 'propose' | 'decide' | 'use'>;
}

export type Signature =
  | { readonly state: 'proposed'; readonly approval: string; readonly restore: string }
  | { readonly state: 'signed'; readonly approval: string; readonly restore: string };

const act: ApprovalAct = 'restore.sign';

/** What is signed: this restore, and every word of its report. */
function subjectOf({ id, report }: HomeRestore) {
  return { restore: id, report: createHash('sha256').update(report).digest('hex') };
}

/**
 * The first person's call proposes, the second's signs.
 * @throws PostsealError `restore.none`, `restore.signed`, `approval.self`, `access.denied`.
 */
export async function signRestore(deps: SignRestoreDeps, by: PersonSession): Promise<Signature> {
  const newest = await newestRestore(deps.database.pool);
  if (newest === undefined) throw new PostsealError('restore.none');
  if (newest.signedAt !== null) throw new PostsealError('restore.signed', { at: newest.signedAt });
  const subject = subjectOf(newest);
  const mine = (await deps.approvals.list()).filter(
    (one) => one.act === act && one.subject === canonicalJson(subject),
  );
  const granted = mine.find(({ state }) => state === 'granted');
  const open = mine.find(({ state }) => state === 'proposed');
  if (granted === undefined && open === undefined) {
    const { id } = await deps.approvals.propose(act, subject, by);
    return { state: 'proposed', approval: id, restore: newest.id };
  }
  const approval = granted?.id ?? open?.id ?? '';
  if (granted === undefined) await deps.approvals.decide(approval, { grant: true }, by);
  const { proposes, approves } = approvalTable[act];
  const actor = personActor(deps.pseudonyms, by, [...approves, ...proposes]);
  const signed = {
    ...({ op: 'restore.signed', outcome: 'success', actor } as const),
    objects: [
      { t: 'org', id: deps.organisation },
      { t: 'apr', id: approval },
    ] as const,
    fields: subject,
  };
  const drafts = [signed, approvalUsed(approval, actor)];
  await withEvents(deps.database, deps.sealer, drafts, async (client, [event, used]) => {
    if (event === undefined || used === undefined) throw new PostsealError('internal');
    await deps.approvals.use(client, { id: approval, act, subject }, used.id);
    if (!(await signRestores(client, deps.organisation, event.id))) {
      throw new PostsealError('restore.signed');
    }
  });
  return { state: 'signed', approval, restore: newest.id };
}
