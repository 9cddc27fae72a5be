// Packs against rows, both ways. A pack is read once, front to back; rows that a running server adds
// meanwhile are checked on their own.
import type { PackId } from '../kernel/ids.ts';
import type { Database } from '../platform/postgres/database.ts';
import { frameOverheadBytes } from '../vault/formats/pack.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import type { FoundFrame, PackFinding } from '../vault/packs/scan-pack.ts';
import type { ScrubCounts, ScrubFinding } from './scrub.ts';
import { type ContentScrubRow, listPacks, contentsOfPack } from './scrub-rows.store.ts';

export async function* scrubPacks(
  db: Database,
  store: BodyStore,
  counts: ScrubCounts,
  step: () => void,
): AsyncGenerator<ScrubFinding> {
  const seen = new Set<PackId>();
  let pack: OpenPack | undefined;
  for await (const item of store.scrub()) {
    if (pack?.id !== item.pack) {
      if (pack !== undefined) yield* pack.finish(db, store);
      pack = new OpenPack(item.pack, await contentsOfPack(db, item.pack), counts);
      seen.add(item.pack);
    }
    yield* item.type === 'frame' ? pack.frame(item) : pack.damage(item);
    step();
  }
  if (pack !== undefined) yield* pack.finish(db, store);
  for (const missing of await listPacks(db)) {
    if (seen.has(missing)) continue;
    const rows = await contentsOfPack(db, missing);
    yield* new OpenPack(missing, rows, counts).finish(db, store);
  }
}

class OpenPack {
  readonly id: PackId;
  /** By offset; more than one row at a place is a forgery, and each is looked at. */
  readonly #rows: Map<number, ContentScrubRow[]>;
  readonly #counts: ScrubCounts;
  /** Rows whose frame was met. */
  readonly #met = new Set<number>();

  constructor(id: PackId, rows: readonly ContentScrubRow[], counts: ScrubCounts) {
    this.id = id;
    this.#rows = Map.groupBy(rows, ({ place }) => place.offset);
    this.#counts = counts;
    counts.contents += rows.length;
  }

  *frame(frame: FoundFrame): Generator<ScrubFinding> {
    this.#counts.frames += 1;
    const rows = this.#rows.get(frame.offset);
    if (rows === undefined) {
      this.#counts.orphans += 1;
      return;
    }
    this.#met.add(frame.offset);
    for (const row of rows) {
      const same =
        row.contentId === frame.objectId &&
        row.place.length === frame.length &&
        row.place.sha256.equals(frame.sha256);
      if (!same) yield contentFinding(row, 'another frame');
    }
  }

  *damage(finding: PackFinding): Generator<ScrubFinding> {
    const { kind, offset, length } = finding;
    // What nothing refers to may be the rest of a crash.
    if (!this.#isDamage(finding)) return;
    yield { kind: 'pack', place: { pack: this.id, offset, length }, what: kind };
  }

  /** docs/formats/pack.md, "Checking". */
  #isDamage({ kind, offset, length, closed, single }: PackFinding): boolean {
    if (single) return this.#rows.size > 0;
    if (closed) return true;
    if (kind === 'header') return this.#rows.size > 0;
    return [...this.#rows.values()]
      .flat()
      .some(
        ({ place }) =>
          place.offset < offset + length &&
          offset < place.offset + frameOverheadBytes + place.length,
      );
  }

  /** Rows whose frame did not come along: added since the pack was opened, or without one. */
  async *finish(db: Database, store: BodyStore): AsyncGenerator<ScrubFinding> {
    const rest = [...this.#rows.values()]
      .flat()
      .filter(({ place }) => !this.#met.has(place.offset));
    if (rest.length === 0) return;
    const live = new Set((await contentsOfPack(db, this.id)).map(({ contentId }) => contentId));
    for (const row of rest) {
      if (!live.has(row.contentId)) continue;
      if ((await store.verify(row.place)) !== undefined) yield contentFinding(row, 'no such frame');
    }
  }
}

const contentFinding = ({ contentId, place }: ContentScrubRow, what: string): ScrubFinding => ({
  kind: 'content',
  place: { content: contentId, pack: place.pack, offset: place.offset, length: place.length },
  what,
});
