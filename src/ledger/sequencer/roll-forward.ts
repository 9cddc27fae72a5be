// After a restore the database may be behind the ledger that was published: leaves of bundles that its log does not
// have are put back, so that the ledger goes on where it was signed last and never forks (architecture §4, "After a
// restore"). Nobody may sequence meanwhile.
import { IntegrityError, PostsealError } from '../../kernel/errors.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { openCheckpoint } from '../checkpoint/checkpoint.ts';
import type { JsonValue } from '../event/canonical-json.ts';
import { type LeafProjection, projectLeaf } from '../event/leaf-projection.ts';
import { openTileFiles, overTiles, type TileFiles } from '../tiles/tile-files.ts';
import { decodeBundle } from '../tree/entry-bundle.ts';
import { treeRoot } from '../tree/proofs.ts';
import { tilePath, tileWidth, widthInTree } from '../tree/tile-path.ts';
import { putBackLeaves, takeLead } from './sequencer.store.ts';

export interface ReturnedLeaf {
  readonly seq: number;
  readonly leaf: LeafProjection;
  /** The database has what the event did: it waited in the inbox of the restored state. */
  readonly known: boolean;
}

export interface RollForward {
  /** Leaves of the restored log, and of the published one. */
  readonly from: number;
  readonly to: number;
  readonly leaves: readonly ReturnedLeaf[];
}

/**
 * Puts back what the newest checkpoint in `dir` has and the database has not, in one transaction.
 * @throws IntegrityError for a checkpoint, tile or bundle that does not fit; `ledger.stalled` beside a sequencer.
 */
export async function rollForward(database: Database, dir: string): Promise<RollForward> {
  const files = openTileFiles(dir);
  const [note, spki] = [await files.readCheckpoint(), await files.readPublicKey()];
  if (note === undefined || spki === undefined) return { from: 0, to: 0, leaves: [] };
  const published = openCheckpoint(note, { spki });
  if (typeof published === 'string') refuse('checkpoint', published);
  const { size, root, origin } = published;
  const client = await database.connect('roll-forward');
  try {
    const head = await takeLead(client, origin);
    if (head === undefined) throw new PostsealError('ledger.stalled', { what: 'sequencer' });
    if (head.origin !== origin) refuse('audit_head', 'origin');
    if (head.size >= size) return { from: head.size, to: head.size, leaves: [] };
    const computed = await overTiles(files, (getTile) => treeRoot(size, getTile));
    if (!computed.equals(root)) refuse('checkpoint', 'root');
    const bodies = await readBodies(files, head.size, size);
    const known = await putBackLeaves(client, head, bodies);
    return {
      ...{ from: head.size, to: size },
      leaves: bodies.map((body, i) => {
        const leaf = projectLeaf(JSON.parse(body.toString('utf8')) as JsonValue);
        if (leaf === undefined) return refuse(`leaf ${String(head.size + i)}`, 'encoding');
        return { seq: head.size + i, leaf, known: known.has(leaf.id) };
      }),
    };
  } finally {
    await client.end();
  }
}

/** Leaves [from, size) of the bundles. That they are those of the tree is seen when it is verified as a whole. */
async function readBodies(files: TileFiles, from: number, size: number): Promise<Buffer[]> {
  const bodies: Buffer[] = [];
  for (let index = Math.floor(from / tileWidth); index * tileWidth < size; index += 1) {
    const ref = { level: 'entries', index, width: widthInTree(0, index, size) } as const;
    const bytes = await files.read(ref);
    const bundle = bytes === undefined ? undefined : decodeBundle(bytes);
    if (bundle === undefined || bundle.length < ref.width) refuse(tilePath(ref), 'bundle');
    bodies.push(...bundle.slice(Math.max(0, from - index * tileWidth), ref.width));
  }
  return bodies;
}

function refuse(place: string, what: string): never {
  throw new IntegrityError('integrity.ledger', { place, what });
}
