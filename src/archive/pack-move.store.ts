// The rows of a compaction: which contents of a pack live, and the part kind that lets them lie elsewhere.
// A content that was shredded or moved meanwhile is left alone.
import type { ContentId, CustodianId, OrganisationId, PackId } from '../kernel/ids.ts';
import { byteaArray, int8Array, uuidArray } from '../platform/postgres/binary-arrays.ts';
import type { Database } from '../platform/postgres/database.ts';
import { statement } from '../platform/postgres/statement.ts';
import type { PackRef } from '../vault/packs/body-store.ts';
import type { PartKind } from './committer/types.ts';

export interface LivingBody {
  readonly domain: OrganisationId;
  readonly contentId: ContentId;
  readonly tag: Buffer;
  readonly holder: CustodianId;
  readonly place: PackRef;
}

export interface MovedBody extends LivingBody {
  readonly to: PackRef;
}

const select = statement<{
  pack_id: string;
  dedup_domain: string;
  content_id: string;
  dedup_tag: Buffer;
  holder_id: string;
  pack_offset: string;
  pack_length: string;
  pack_digest: Buffer;
}>(
  'archive.compact.living',
  `SELECT pack_id::text, dedup_domain::text, content_id::text, dedup_tag, holder_id::text,
          pack_offset::text, pack_length::text, pack_digest
     FROM content WHERE pack_id = ANY($1::uuid[]) ORDER BY content.pack_id, content.pack_offset`,
);
const move = statement(
  'archive.compact.move',
  `UPDATE content c
      SET pack_id = m.to_pack, pack_offset = m.to_offset, event_id = m.event_id
     FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int8[], $5::uuid[], $6::int8[], $7::bytea[], $8::uuid[], $9::uuid[])
       AS m (domain, content_id, from_pack, from_offset, to_pack, to_offset, digest, holder_id, event_id)
    WHERE c.dedup_domain = m.domain AND c.content_id = m.content_id AND c.pack_id = m.from_pack
      AND c.pack_offset = m.from_offset AND c.pack_digest = m.digest AND c.holder_id = m.holder_id`,
);
const register = statement(
  'archive.compact.register',
  `INSERT INTO pack (pack_id, kind) SELECT DISTINCT p, 'shared' FROM unnest($1::uuid[]) AS p ORDER BY p
   ON CONFLICT (pack_id) DO NOTHING`,
);
const forget = statement('archive.compact.forget', 'DELETE FROM pack WHERE pack_id = $1');

/** Contents that lie in the pack, in its order. */
export function livingBodies(db: Database, pack: PackId): Promise<LivingBody[]> {
  return livingBodiesOf(db, [pack]);
}

/** Contents that lie in any of these packs, pack by pack in the order of each. */
export async function livingBodiesOf(
  db: Database,
  packs: readonly PackId[],
): Promise<LivingBody[]> {
  const rows = await select.rows(db.pool, [uuidArray(packs)]);
  return rows.map((row) => ({
    domain: row.dedup_domain as OrganisationId,
    contentId: row.content_id as ContentId,
    tag: row.dedup_tag,
    holder: row.holder_id as CustodianId,
    place: {
      pack: row.pack_id as PackId,
      offset: Number(row.pack_offset),
      length: Number(row.pack_length),
      sha256: row.pack_digest,
    },
  }));
}

/** The list of packs forgets one that was removed. */
export async function forgetPack(db: Database, pack: PackId): Promise<void> {
  await forget.run(db.pool, [pack]);
}

/** Content rows point at the copies from the commit on; one that changed meanwhile stays as it is. */
export const moveKind: PartKind<readonly MovedBody[], null> = {
  name: 'archive.pack-move',
  stage: 905,
  exclusive: true,
  locks: (bodies) => ({ contents: bodies.map(({ tag }) => tag) }),
  async apply(tx, items) {
    const all = items.flatMap(({ input, event }) => input.map((body) => ({ body, event })));
    await Promise.all([
      register.run(tx.client, [uuidArray(all.map(({ body }) => body.to.pack))]),
      move.run(tx.client, [
        uuidArray(all.map(({ body }) => body.domain)),
        uuidArray(all.map(({ body }) => body.contentId)),
        uuidArray(all.map(({ body }) => body.place.pack)),
        int8Array(all.map(({ body }) => body.place.offset)),
        uuidArray(all.map(({ body }) => body.to.pack)),
        int8Array(all.map(({ body }) => body.to.offset)),
        byteaArray(all.map(({ body }) => body.to.sha256)),
        uuidArray(all.map(({ body }) => body.holder)),
        uuidArray(all.map(({ event }) => event)),
      ]),
    ]);
    return items.map(() => null);
  },
};
