// Answers the calls of one frame. Calls whose keys are in the caches are answered at once; the others
// wait for PostgreSQL and the token together, so a token that is away holds up nobody else.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { performance } from 'node:perf_hooks';
import { PostsealError } from '../../kernel/errors.ts';
import type { OrganisationId } from '../../kernel/ids.ts';
import { answers, ByteWriter, keyBytes, type Call } from '../keys/key-protocol.ts';
import type { GenerationStep } from '../keys/generation-steps.ts';
import type { StoredKey } from '../keys/key-store.ts';
import type { KeySlot, KeyStatus, WriteKey } from '../keys/types.ts';
import { encodeError } from '../keys/wire-error.ts';
import type { Request } from './calls.ts';
import type { Handouts } from './handouts.ts';
import type { GroupPlace, KeyBatch, Wanted } from './key-batch.ts';
import type { KeyLimits } from './key-limits.ts';
import type { KeyTree } from './key-tree.ts';
import { groupOf, openAll, rewrapAll, wrapAll } from './key-work.ts';
import { refusal, type OpenGate, type RefusalReason } from './open-gate.ts';
import type { RootKeys } from './root-keys.ts';

export interface AnswerDeps {
  readonly organisation: OrganisationId;
  readonly tree: KeyTree;
  readonly root: RootKeys;
  readonly gate: OpenGate;
  readonly handouts: Handouts;
  readonly limits: KeyLimits;
  readonly counts: { wraps: number; opens: number; refusals: number };
  readonly status: () => Promise<KeyStatus>;
  readonly inventory: () => Promise<readonly StoredKey[]>;
  readonly generation: (step: GenerationStep) => Promise<object>;
  readonly onRefusal: (reason: RefusalReason | 'limit', error: PostsealError) => void;
  /** Told of every failure that is not the caller's. */
  readonly onError: (error: unknown) => void;
}

export interface Pending {
  readonly id: number;
  readonly request: Request;
}

type Reply = (answer: Call) => void;
type Batched = Extract<Request, { kind: 'wrap' | 'rewrap' | 'open' }>;
interface BatchedPending extends Pending {
  readonly request: Batched;
}
interface SinglePending extends Pending {
  readonly request: Exclude<Request, Batched>;
}

/** Answers that are nobody's fault, or that are told elsewhere. */
const expected: ReadonlySet<string> = new Set(['key.refused', 'key.destroyed']);

/** Synchronous work goes on for this long before others get a turn. */
const turnMs = 4;

/** Calls `reply` once for every call; never rejects. */
export async function answerCalls(
  deps: AnswerDeps,
  all: readonly Pending[],
  reply: Reply,
  client: string,
): Promise<void> {
  const calls = all.filter((call) => isWithinLimit(deps, call, reply, client));
  const warm: BatchedPending[] = [];
  const cold: BatchedPending[] = [];
  const single: Promise<void>[] = [];
  for (const call of calls) {
    if (isSingle(call)) {
      single.push(settle(deps, call.id, reply, () => answerSingle(deps, call.request)));
    } else if (isBatched(call)) {
      (isWarm(deps, call) ? warm : cold).push(call);
    }
  }
  await Promise.all([answerBatch(deps, warm, reply), answerBatch(deps, cold, reply), ...single]);
}

/** Before anything is looked up for it, so that a flood costs others nothing. */
function isWithinLimit(deps: AnswerDeps, call: Pending, reply: Reply, client: string): boolean {
  const { request } = call;
  if (request.kind === 'status' || request.kind === 'generation') return true;
  const purpose = request.kind === 'open' ? request.grant.purpose : request.kind;
  const keys = 'items' in request ? request.items.length : 1;
  if (deps.limits.client(client, purpose, keys)) return true;
  deps.handouts.limited(purpose, client);
  replyError(deps, call.id, reply, new PostsealError('key.limited', { purpose, client }));
  return false;
}

function isBatched(call: Pending): call is BatchedPending {
  const { kind } = call.request;
  return kind === 'wrap' || kind === 'rewrap' || kind === 'open';
}

function isSingle(call: Pending): call is SinglePending {
  return !isBatched(call);
}

/** A slot of another kind's rules fails in its own call, later. */
function isWarm(deps: AnswerDeps, call: BatchedPending): boolean {
  try {
    return deps.tree.isCached(wantedBy([call]));
  } catch {
    return false;
  }
}

async function answerBatch(
  deps: AnswerDeps,
  calls: readonly BatchedPending[],
  reply: Reply,
): Promise<void> {
  if (calls.length === 0) return;
  const sound = calls.filter((call) => !fails(deps, call, reply));
  const [verdicts, batch] = await Promise.all([
    judge(deps, sound),
    deps.tree.prepare(wantedBy(sound)),
  ]);
  try {
    let turnEnds = performance.now() + turnMs;
    for (const call of sound) {
      await settle(deps, call.id, reply, () => answerPrepared(deps, batch, call, verdicts));
      if (performance.now() > turnEnds) {
        await nextTurn();
        turnEnds = performance.now() + turnMs;
      }
    }
  } finally {
    batch.end();
  }
}

/** Answers a call whose slots cannot be right, so that it does not spoil the batch. */
function fails(deps: AnswerDeps, call: BatchedPending, reply: Reply): boolean {
  try {
    wantedBy([call]);
    return false;
  } catch (error) {
    replyError(deps, call.id, reply, error);
    return true;
  }
}

type Verdict = RefusalReason | Error | undefined;

async function judge(
  deps: AnswerDeps,
  calls: readonly BatchedPending[],
): Promise<Map<number, Verdict>> {
  const opens = calls.flatMap(({ id, request }) =>
    request.kind === 'open'
      ? [{ id, grant: request.grant, slots: request.items.map(({ slot }) => slot) }]
      : [],
  );
  const out = new Map<number, Verdict>();
  if (opens.length === 0) return out;
  try {
    const reasons = await deps.gate.check(opens);
    opens.forEach(({ id }, i) => out.set(id, reasons[i]));
  } catch (error) {
    const failure = error instanceof Error ? error : new PostsealError('internal');
    for (const { id } of opens) out.set(id, failure);
  }
  return out;
}

function answerPrepared(
  deps: AnswerDeps,
  batch: KeyBatch,
  { id, request }: BatchedPending,
  verdicts: ReadonlyMap<number, Verdict>,
): Promise<Buffer> {
  if (request.kind === 'wrap') {
    const wraps = wrapAll(batch, request.items);
    for (const { key } of request.items) key.fill(0);
    deps.handouts.wrapped(request.items.map(({ slot }) => slot));
    deps.counts.wraps += request.items.length;
    return Promise.resolve(wraps);
  }
  if (request.kind === 'rewrap') {
    refuseOtherObjects(request.items);
    deps.handouts.checkRoom();
    const wraps = rewrapAll(batch, request.items);
    for (const { from, to } of request.items) {
      if (from.custodian !== to.custodian) {
        deps.handouts.rewrapped(from.custodian, to);
      }
    }
    deps.counts.wraps += request.items.length;
    return Promise.resolve(wraps);
  }
  const verdict = verdicts.get(id);
  if (verdict instanceof Error) throw verdict;
  if (verdict !== undefined) {
    deps.counts.refusals += 1;
    deps.handouts.refused(request.grant, verdict);
    const error = refusal(verdict, request.grant);
    deps.onRefusal(verdict, error);
    throw error;
  }
  const { session, purpose } = request.grant;
  if (!deps.limits.session(session, purpose, request.items.length)) {
    deps.handouts.limited(purpose, session);
    throw new PostsealError('key.limited', { purpose, session });
  }
  deps.handouts.checkRoom();
  const keys = openAll(batch, request.items);
  deps.handouts.opened(
    request.grant,
    request.items.map(({ slot }) => slot),
  );
  deps.counts.opens += request.items.length;
  return Promise.resolve(keys);
}

/** A wrap of one object never becomes a wrap of another, which a grant for that one would open. */
function refuseOtherObjects(
  items: readonly { readonly from: KeySlot; readonly to: KeySlot }[],
): void {
  for (const { from, to } of items) {
    if (from.purpose === to.purpose && from.objectId === to.objectId) continue;
    throw new PostsealError('key.refused', { reason: 'object' });
  }
}

async function answerSingle(deps: AnswerDeps, request: Exclude<Request, Batched>): Promise<Buffer> {
  if (request.kind === 'status') return Buffer.from(JSON.stringify(await deps.status()));
  if (request.kind === 'inventory') return Buffer.from(JSON.stringify(await deps.inventory()));
  if (request.kind === 'generation') {
    return Buffer.from(JSON.stringify(await deps.generation(request.step)));
  }
  if (request.kind === 'ensureCustodian') {
    await deps.tree.ensureCustodian(request.custodian);
    return Buffer.alloc(0);
  }
  const { slot, owner } = request;
  deps.handouts.checkRoom();
  if (slot === 'dedup') {
    // One dedup domain for now: the organisation's.
    if (owner !== 'organisation') throw new PostsealError('key.refused', { reason: 'domain' });
    deps.handouts.gave(slot, deps.organisation);
    return encodeWriteKey(deps.root.dedup());
  }
  if (owner === 'organisation') throw new PostsealError('key.refused', { reason: 'owner' });
  await deps.tree.ensureCustodian(owner);
  const batch = await deps.tree.prepare({ custodians: [owner], groups: [], newGroups: [] });
  try {
    const found = batch.custodian(owner).slot(slot);
    deps.handouts.gave(slot, owner);
    return encodeWriteKey({ ...found, key: Buffer.from(found.key) });
  } finally {
    batch.end();
  }
}

function encodeWriteKey({ id, version, key }: WriteKey): Buffer {
  const { bytes } = new ByteWriter(16 + 4 + keyBytes).uuid(id).u32(version).raw(key);
  key.fill(0);
  return bytes;
}

async function settle(
  deps: AnswerDeps,
  id: number,
  reply: Reply,
  work: () => Promise<Buffer>,
): Promise<void> {
  try {
    reply({ id, code: answers.ok, payload: await work() });
  } catch (error) {
    replyError(deps, id, reply, error);
  }
}

function replyError(deps: AnswerDeps, id: number, reply: Reply, error: unknown): void {
  if (error instanceof PostsealError && error.code === 'key.limited')
    deps.onRefusal('limit', error);
  else if (!(error instanceof PostsealError && expected.has(error.code))) deps.onError(error);
  reply({ id, code: answers.error, payload: encodeError(error) });
}

/** Everything that the calls need, by what kind of need it is. */
function wantedBy(calls: readonly BatchedPending[]): Wanted {
  const custodians: string[] = [];
  const groups: GroupPlace[] = [];
  const newGroups: GroupPlace[] = [];
  const need = (slot: KeySlot, make: boolean): void => {
    const group = groupOf(slot);
    if (group === undefined) custodians.push(slot.custodian);
    else (make ? newGroups : groups).push(group);
  };
  for (const { request } of calls) {
    if (request.kind === 'rewrap') {
      for (const { from, to } of request.items) {
        need(from, false);
        need(to, true);
      }
    } else {
      for (const { slot } of request.items) need(slot, request.kind === 'wrap');
    }
  }
  return { custodians, groups, newGroups };
}
