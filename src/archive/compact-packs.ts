// Compaction (docs/formats/pack.md): the living bodies of a pack that is mostly dead are copied, byte for
// byte and still sealed, into the active pack; a pack without a living body is deleted after a grace, in
// which readers that looked up a place before the move come to their end. A crash at any step leaves a
// copy that nothing refers to, or an empty pack that the next run deletes. Only bodies are written to packs
// so far: whoever writes frames of another kind has to make them count as living here.
import type { PackId } from '../kernel/ids.ts';
import type { Clock, UnixMs } from '../kernel/time.ts';
import { systemActor } from '../ledger/event/draft.ts';
import type { Database } from '../platform/postgres/database.ts';
import { frameOverheadBytes } from '../vault/formats/pack.ts';
import type { BodyStore, PackAbout } from '../vault/packs/body-store.ts';
import type { Committer } from './committer/types.ts';
import { type LockEnds, lockClass, lockOf, noLegalBasis } from './lock-ends.ts';
import { batchesOf, copyBodies, moveRows } from './move-bodies.ts';
import { forgetPack, type LivingBody, livingBodies, type MovedBody } from './pack-move.store.ts';

export interface CompactDeps {
  readonly db: Database;
  readonly store: BodyStore;
  readonly committer: Pick<Committer, 'commit' | 'record'>;
  readonly clock: Clock;
  /** When this node started: an unclosed pack that is older is nobody's active one. */
  readonly startedAt: UnixMs;
  /** Default: nothing has a legal basis. */
  readonly lockEnds?: LockEnds;
  /** After each batch; what it throws ends the run. */
  readonly onStep?: () => void;
}

export interface CompactOptions {
  /** Packs with less living octets than this share of the file are emptied. */
  readonly livingShareMin: number;
  /** Octets copied before the run ends; the next one goes on. */
  readonly copyBytesMax: number;
  /** Packs that changed later are left alone, written or emptied. */
  readonly restMs: number;
}

export const compactDefaults: CompactOptions = {
  livingShareMin: 0.5,
  copyBytesMax: 8_589_934_592,
  restMs: 20 * 3_600_000,
};

export interface CompactResult {
  /** Bodies that lie elsewhere now, or were shredded while they were copied. */
  moved: number;
  movedBytes: number;
  removedPacks: number;
  /** Octets of the deleted files. */
  removedBytes: number;
  /** Living bodies that are damaged and stay where they are, and their packs with them: the scrub names them. */
  damaged: number;
}

/**
 * One run over all packs.
 * @throws PostsealError `home.disk-full`, `database.unreachable`: what was moved stays moved.
 */
export async function compactPacks(
  deps: CompactDeps,
  options: CompactOptions = compactDefaults,
): Promise<CompactResult> {
  const result = { moved: 0, movedBytes: 0, removedPacks: 0, removedBytes: 0, damaged: 0 };
  for await (const about of deps.store.packs()) {
    if (about.changedAt > deps.clock.now() - options.restMs) continue;
    if (!about.closed && about.changedAt >= deps.startedAt) continue;
    const bodies = await livingBodies(deps.db, about.pack);
    const dead = bodies.length === 0;
    const mostly = isMostlyDead(about, bodies, options) && result.movedBytes < options.copyBytesMax;
    if ((dead || mostly) && !(await isLocked(deps, about.pack))) {
      await (dead ? removePack(deps, about, result) : emptyPack(deps, about.pack, bodies, result));
    }
    deps.onStep?.();
  }
  await deps.store.sweep((deps.clock.now() - options.restMs) as UnixMs);
  return result;
}

function isMostlyDead(
  { bytes, single }: PackAbout,
  bodies: readonly LivingBody[],
  { livingShareMin }: CompactOptions,
): boolean {
  const living = bodies.reduce((sum, { place }) => sum + frameOverheadBytes + place.length, 0);
  return !single && living < bytes * livingShareMin;
}

async function emptyPack(
  deps: CompactDeps,
  pack: PackId,
  bodies: readonly LivingBody[],
  result: CompactResult,
): Promise<void> {
  // Before anything moves: from now on the pack rests, and readers on their way have that long.
  await deps.store.touch(pack);
  for (const batch of batchesOf(bodies)) {
    const moved = await moveBatch(deps, pack, batch);
    result.moved += moved.length;
    result.movedBytes += moved.reduce((sum, { place }) => sum + place.length, 0);
    result.damaged += batch.length - moved.length;
    deps.onStep?.();
  }
}

/** The bodies that were whole and lie elsewhere now. */
async function moveBatch(
  deps: CompactDeps,
  pack: PackId,
  bodies: readonly LivingBody[],
): Promise<readonly MovedBody[]> {
  const ends = await (deps.lockEnds ?? noLegalBasis)(bodies);
  const all: MovedBody[] = [];
  for (const part of Map.groupBy(bodies.keys(), (i) => lockClass(ends[i])).values()) {
    const some = part.flatMap((i) => bodies[i] ?? []);
    const moved = await copyBodies(deps, some, lockOf(part.map((i) => ends[i])));
    await moveRows(deps, pack, moved);
    all.push(...moved);
  }
  return all;
}

/** Nobody can delete it yet, so its bodies may as well stay. */
async function isLocked({ store, clock }: CompactDeps, pack: PackId): Promise<boolean> {
  return ((await store.lockedUntil(pack)) ?? 0) > clock.now();
}

async function removePack(
  deps: CompactDeps,
  { pack, bytes }: PackAbout,
  result: CompactResult,
): Promise<void> {
  const tell = (step: 'begun' | 'done') =>
    deps.committer.record({
      op: 'pack.removed',
      outcome: 'success',
      actor: systemActor,
      objects: [],
      fields: { pack, bytes, step },
    });
  // The intention first: a pack that is gone without a word would look like a theft.
  await tell('begun');
  await deps.store.remove(pack);
  await forgetPack(deps.db, pack);
  await tell('done');
  result.removedPacks += 1;
  result.removedBytes += bytes;
}
