// Gathers fresh packs (docs/formats/s3.md, "Gathering"): the living bodies of many small objects, one of each
// group commit, are copied into few large ones, a lock class each, and locked there. A crash at any step
// leaves a copy that nothing refers to, or emptied objects, which compaction removes after their rest.
import type { PackId } from '../kernel/ids.ts';
import type { UnixMs } from '../kernel/time.ts';
import type { Database } from '../platform/postgres/database.ts';
import { frameOverheadBytes } from '../vault/formats/pack.ts';
import { type LockEnds, lockClass, lockOf, noLegalBasis } from './lock-ends.ts';
import { batchesOf, copyBodies, type MoveDeps, moveRows } from './move-bodies.ts';
import { type LivingBody, livingBodiesOf } from './pack-move.store.ts';

export interface GatherDeps extends MoveDeps {
  readonly db: Database;
  /** Default: nothing has a legal basis. */
  readonly lockEnds?: LockEnds;
  /** After each pack that was written or looked at; what it throws ends the run. */
  readonly onStep?: () => void;
}

export interface GatherOptions {
  /** Octets of one gathered pack; all of them are in memory. */
  readonly packBytes: number;
  readonly packBodies: number;
}

export const gatherDefaults: GatherOptions = { packBytes: 16_777_216, packBodies: 4_096 };

export interface GatherResult {
  moved: number;
  movedBytes: number;
  /** Packs that were written. */
  packs: number;
  /** Packs of one large body that were locked where they lie. */
  locked: number;
  /** Living bodies that are damaged and stay where they are. */
  damaged: number;
}

interface EndingBody extends LivingBody {
  readonly end: UnixMs | undefined;
}

/** Packs that are asked for at once. */
const pageOfPacks = 500;

/**
 * One run over everything that is fresh.
 * @throws PostsealError `store.unreachable`, `database.unreachable`: what was moved stays moved.
 */
export async function gatherPacks(
  deps: GatherDeps,
  options: GatherOptions = gatherDefaults,
): Promise<GatherResult> {
  const run = new GatherRun(deps, options);
  const shared: PackId[] = [];
  const single: PackId[] = [];
  for await (const about of deps.store.fresh()) {
    (about.single ? single : shared).push(about.pack);
    if (shared.length >= pageOfPacks) await run.take(shared.splice(0));
    if (single.length >= pageOfPacks) await run.lockAlone(single.splice(0));
  }
  await run.take(shared);
  await run.lockAlone(single);
  return run.finish();
}

class GatherRun {
  readonly result: GatherResult = { moved: 0, movedBytes: 0, packs: 0, locked: 0, damaged: 0 };
  readonly #deps: GatherDeps;
  readonly #options: GatherOptions;
  /** Bodies that wait for a full pack, by lock class. */
  readonly #classes = new Map<string, { bodies: EndingBody[]; bytes: number }>();

  constructor(deps: GatherDeps, options: GatherOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  async take(packs: readonly PackId[]): Promise<void> {
    for (const body of await this.#living(packs)) {
      const name = lockClass(body.end);
      const waiting = this.#classes.get(name) ?? { bodies: [], bytes: 0 };
      const bytes = frameOverheadBytes + body.place.length;
      const { packBytes, packBodies } = this.#options;
      const full = waiting.bytes + bytes > packBytes || waiting.bodies.length >= packBodies;
      if (full && waiting.bodies.length > 0) {
        await this.#write(waiting.bodies);
        waiting.bodies = [];
        waiting.bytes = 0;
      }
      waiting.bodies.push(body);
      waiting.bytes += bytes;
      this.#classes.set(name, waiting);
    }
    this.#deps.onStep?.();
  }

  /** A large body has a pack for itself already: it is locked where it lies. */
  async lockAlone(packs: readonly PackId[]): Promise<void> {
    const { store } = this.#deps;
    for (const { place, end } of await this.#living(packs)) {
      if (end === undefined) continue;
      const locked = await store.lockedUntil(place.pack);
      if (locked !== undefined && locked >= end) continue;
      await store.lock(place.pack, end);
      this.result.locked += 1;
      this.#deps.onStep?.();
    }
  }

  async finish(): Promise<GatherResult> {
    for (const { bodies } of this.#classes.values()) await this.#write(bodies);
    return this.result;
  }

  async #living(packs: readonly PackId[]): Promise<readonly EndingBody[]> {
    if (packs.length === 0) return [];
    const bodies = await livingBodiesOf(this.#deps.db, packs);
    const ends = await (this.#deps.lockEnds ?? noLegalBasis)(bodies);
    return bodies.map((body, i) => ({ ...body, end: ends[i] }));
  }

  /** One pack, then the rows of each pack that its bodies came from. */
  async #write(bodies: readonly EndingBody[]): Promise<void> {
    if (bodies.length === 0) return;
    const moved = await copyBodies(this.#deps, bodies, lockOf(bodies.map(({ end }) => end)));
    const { result } = this;
    result.damaged += bodies.length - moved.length;
    if (moved.length === 0) return;
    result.packs += 1;
    const sources = Map.groupBy(moved, ({ place }) => place.pack);
    for (const [from, all] of sources) {
      for (const batch of batchesOf(all)) {
        await moveRows(this.#deps, from, batch);
        result.moved += batch.length;
        result.movedBytes += batch.reduce((sum, { place }) => sum + place.length, 0);
        this.#deps.onStep?.();
      }
    }
  }
}
