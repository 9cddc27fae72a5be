// Carries a plan of the folder tree out: seals names, writes events, and plans again when somebody else
// changed the tree meanwhile.
import { randomUUID } from 'node:crypto';
import { part } from '../../archive/committer/types.ts';
import { assert, PostsealError } from '../../kernel/errors.ts';
import type { MailboxId } from '../../kernel/ids.ts';
import type { Actor, EventDraft } from '../../ledger/event/draft.ts';
import type { EventName } from '../../ledger/event/registry.ts';
import { mailboxesDraft } from '../drafts.ts';
import type { NameSealer } from '../names/name-sealer.ts';
import { treeKind, type TreePart } from '../parts/tree.store.ts';
import type { Room } from '../room.ts';
import type { Account } from '../types.ts';
import type { Tree, TreePlan } from './folder-plan.ts';

/** An event of 16 KiB names so many mailboxes. */
const mailboxesPerEvent = 100;
/** Of several processes that change one tree at once, one gets through every time. */
const plansMax = 16;

export interface TreeScope {
  readonly room: Room;
  readonly sealer: NameSealer;
  readonly account: Account;
  readTree(): Promise<Tree>;
}

/** @throws PostsealError of the plan, or `store.conflict` when the tree never held still. */
export function changeTree(
  scope: TreeScope,
  op: EventName,
  actor: Actor,
  plan: (tree: Tree) => TreePlan,
): Promise<void> {
  const { room, account } = scope;
  return room.treeTurns.run(account.id, () => planUntilItHolds(scope, op, actor, plan));
}

async function planUntilItHolds(
  scope: TreeScope,
  op: EventName,
  actor: Actor,
  plan: (tree: Tree) => TreePlan,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const tree = await scope.readTree();
    const planned = plan(tree);
    if (isEmpty(planned)) return;
    try {
      await carryOut(scope, op, actor, tree.version, planned);
      return;
    } catch (error) {
      const late = error instanceof PostsealError && error.code === 'store.conflict';
      if (!late || tries >= plansMax) throw error;
    }
  }
}

function isEmpty({ create, rename, remove, subscribe }: TreePlan): boolean {
  return create.length + rename.length + remove.length + subscribe.length === 0;
}

async function carryOut(
  { room, sealer, account }: TreeScope,
  op: EventName,
  actor: Actor,
  version: number,
  plan: TreePlan,
): Promise<void> {
  const uidValidityFrom = Math.floor(room.clock.now() / 1_000);
  const base = {
    custodian: account.custodian,
    account: account.id,
    uidValidityFrom,
    rename: [],
    create: [],
    remove: [],
    subscribe: [],
    sink: room.states,
    deltas: [],
  };
  const create = plan.create.map(({ name, specialUse, subscribed }) => ({
    ...sealer.folder(account.id, name),
    id: randomUUID() as MailboxId,
    specialUse,
    subscribed,
  }));
  const rename = plan.rename.map(({ id, name }) => ({ id, ...sealer.folder(account.id, name) }));
  const inputs: TreePart[] = [
    {
      ...base,
      version,
      create,
      rename: rename.slice(0, mailboxesPerEvent),
      remove: plan.remove,
      subscribe: plan.subscribe.slice(0, mailboxesPerEvent),
    },
  ];
  const rest = Math.max(rename.length, plan.subscribe.length);
  for (let from = mailboxesPerEvent; from < rest; from += mailboxesPerEvent) {
    const to = from + mailboxesPerEvent;
    inputs.push({
      ...base,
      version: undefined,
      rename: rename.slice(from, to),
      subscribe: plan.subscribe.slice(from, to),
    });
  }
  const [first, ...more] = inputs.map((input) => draftOf(op, actor, account, input));
  assert(first !== undefined, 'a change of the tree has a part');
  await room.committer.commit({
    events: [first, ...more],
    parts: inputs.map((input, i) => part(treeKind, input, i)),
  });
  room.trees.forget(account);
}

function draftOf(op: EventName, actor: Actor, account: Account, input: TreePart): EventDraft {
  const { create, rename, remove, subscribe } = input;
  const touched = [...create, ...rename, ...subscribe].map(({ id }) => id);
  return mailboxesDraft(op, actor, account.id, [...new Set([...touched, ...remove])]);
}
