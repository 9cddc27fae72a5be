// Copies living bodies, byte for byte and still sealed, and lets their rows point at the copies: the one way
// in which a body comes to lie elsewhere. The copy is durable before the commit; a crash in between leaves
// copies that nothing refers to.
import { assert } from '../kernel/errors.ts';
import type { PackId } from '../kernel/ids.ts';
import type { UnixMs } from '../kernel/time.ts';
import { systemActor } from '../ledger/event/draft.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import { type Committer, part } from './committer/types.ts';
import { type LivingBody, moveKind, type MovedBody } from './pack-move.store.ts';

export interface MoveDeps {
  readonly store: BodyStore;
  readonly committer: Pick<Committer, 'commit'>;
}

/** Of one event and one transaction. */
const batchBytes = 8_388_608;
const batchBodies = 100;

export function* batchesOf<B extends LivingBody>(bodies: readonly B[]): Generator<readonly B[]> {
  let batch: B[] = [];
  let bytes = 0;
  for (const body of bodies) {
    const full = batch.length === batchBodies || bytes + body.place.length > batchBytes;
    if (batch.length > 0 && full) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(body);
    bytes += body.place.length;
  }
  if (batch.length > 0) yield batch;
}

/**
 * The copies of those that are whole, durable and locked until `lockUntil`; no row points at them yet.
 * @throws PostsealError `home.disk-full`, `store.unreachable`.
 */
export async function copyBodies(
  { store }: Pick<MoveDeps, 'store'>,
  bodies: readonly LivingBody[],
  lockUntil?: UnixMs,
): Promise<readonly MovedBody[]> {
  const gathering = store.gather();
  const moved: MovedBody[] = [];
  for (const body of bodies) {
    // Looked at before anything is written: what is damaged must not fill the active pack night by night.
    if ((await store.verify(body.place)) !== undefined) continue;
    const payload = await store.read(body.place);
    const to = gathering.add({ objectId: body.contentId }, payload);
    // The digest covers payload and prefix, and both are the same again.
    assert(to.sha256.equals(body.place.sha256), 'a copied frame has the digest of the first');
    moved.push({ ...body, to });
  }
  if (moved.length > 0) await gathering.finish(lockUntil);
  return moved;
}

/** Rows of bodies of the pack `from` point at their copies from the commit on. */
export async function moveRows(
  { committer }: Pick<MoveDeps, 'committer'>,
  from: PackId,
  moved: readonly MovedBody[],
): Promise<void> {
  if (moved.length === 0) return;
  const holders = [...new Set(moved.map(({ holder }) => holder))];
  await committer.commit({
    events: [
      {
        op: 'pack.compacted',
        outcome: 'success',
        actor: systemActor,
        objects: holders.map((id) => ({ t: 'cus', id })),
        fields: { pack: from, n: moved.length },
      },
    ],
    parts: [part(moveKind, moved)],
  });
}
