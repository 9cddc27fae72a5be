// Checks everything that the archive stores: every frame of every pack against its digest and its row,
// every row against packs and rows it belongs with, every wrap, cell and page against its digest, and, with
// the key service, that every wrap still opens there (by rewrapping it in place of handing it out).
// Needs no key otherwise and opens no content. What it finds is damage or tampering: exit 70.
import { PostsealError } from '../kernel/errors.ts';
import { recordsPerGroup } from '../kernel/limits.ts';
import type { Database } from '../platform/postgres/database.ts';
import { pageRecordIds } from '../vault/formats/page.ts';
import { wrapParentVersion } from '../vault/formats/wrap.ts';
import type { KeyClient } from '../vault/keys/types.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import { cellRowDigest, pageRowDigest, wrapRowDigest } from './row-digest.ts';
import { scrubPacks } from './scrub-packs.ts';
import {
  type CellScrubRow,
  findDanglingRows,
  listCells,
  listPages,
  listWraps,
  type PageScrubRow,
  type WrapScrubRow,
} from './scrub-rows.store.ts';

/** One place that is not as it should be. */
export interface ScrubFinding {
  readonly kind:
    /** Bytes of a pack that are not what they were: header, frame, footer. */
    | 'pack'
    /** A content whose frame is missing or another one. */
    | 'content'
    /** A wrapped key of a content that was changed or does not open. */
    | 'wrap'
    /** A metadata cell or its wrapped key that was changed or does not open. */
    | 'cell'
    /** A metadata page or its wrapped key that was changed or does not open. */
    | 'page'
    /** Rows that do not fit each other. */
    | 'row';
  /** Ids and offsets for a person who goes and looks; no personal data. */
  readonly place: Readonly<Record<string, string | number>>;
  readonly what: string;
}

export interface ScrubCounts {
  frames: number;
  contents: number;
  wraps: number;
  cells: number;
  pages: number;
  /** Frames that no row refers to: rests of crashes and of shreds, until compaction. */
  orphans: number;
}

export interface ScrubDeps {
  readonly db: Database;
  readonly store: BodyStore;
  /** With it wraps are also proved by the key service. */
  readonly keys?: KeyClient;
  /** After each frame and each batch of rows, counted already; what it throws ends the scrub. */
  readonly onStep?: () => void;
}

export const newScrubCounts = (): ScrubCounts => ({
  frames: 0,
  contents: 0,
  wraps: 0,
  cells: 0,
  pages: 0,
  orphans: 0,
});

/** Yields findings as they are met and counts into `counts`. Safe beside a running server. */
export async function* scrubArchive(
  deps: ScrubDeps,
  counts: ScrubCounts,
): AsyncGenerator<ScrubFinding> {
  const step = deps.onStep ?? (() => undefined);
  yield* scrubPacks(deps.db, deps.store, counts, step);
  for await (const rows of listWraps(deps.db)) {
    counts.wraps += rows.length;
    step();
    const suspects = rows.filter((row) => wrapIsWhole(row));
    yield* rows.filter((row) => !wrapIsWhole(row)).map((row) => wrapFinding(row, 'digest'));
    yield* await refused(deps.keys, suspects, slotOfWrap, wrapFinding);
  }
  for await (const rows of listCells(deps.db)) {
    counts.cells += rows.length;
    step();
    const whole = rows.filter((row) => cellIsWhole(row));
    yield* rows.filter((row) => !cellIsWhole(row)).map((row) => cellFinding(row, 'digest'));
    yield* await refused(deps.keys, whole, slotOfCell, cellFinding);
  }
  yield* scrubPages(deps, counts);
  for await (const { table, place, what } of findDanglingRows(deps.db)) {
    yield { kind: 'row', place: { table, ...place }, what };
  }
}

async function* scrubPages(deps: ScrubDeps, counts: ScrubCounts): AsyncGenerator<ScrubFinding> {
  for await (const rows of listPages(deps.db)) {
    counts.pages += rows.length;
    deps.onStep?.();
    const whole = rows.filter((row) => pageIsWhole(row));
    yield* rows.filter((row) => !pageIsWhole(row)).map((row) => pageFinding(row, 'digest'));
    yield* whole
      .filter((row) => !holdsItsSlots(row))
      .map((row) => pageFinding(row, 'records and slots differ'));
    yield* await refused(deps.keys, whole, slotOfPage, pageFinding);
  }
}

const pageIsWhole = (row: PageScrubRow): boolean =>
  row.digest.equals(pageRowDigest(row)) && isWrap(row.wrap);

/** The ids in the page's head against the slots. */
function holdsItsSlots({ page, records }: PageScrubRow): boolean {
  try {
    return pageRecordIds(page).sort().join() === records.join();
  } catch {
    // No page at all, for all that its digest fits: somebody made it up.
    return false;
  }
}

const wrapIsWhole = (row: WrapScrubRow): boolean =>
  row.digest.equals(wrapRowDigest(row)) && isWrap(row.wrap);
const cellIsWhole = (row: CellScrubRow): boolean =>
  row.digest.equals(cellRowDigest(row)) && isWrap(row.wrap);

function isWrap(bytes: Uint8Array): boolean {
  try {
    wrapParentVersion(bytes);
    return true;
  } catch {
    // Not the form of a wrap; whatever the reason, the caller reports the place.
    return false;
  }
}

const wrapFinding = (row: WrapScrubRow, what: string): ScrubFinding => ({
  kind: 'wrap',
  place: { custodian: row.custodian, content: row.contentId, group: row.group },
  what,
});

const cellFinding = (row: CellScrubRow, what: string): ScrubFinding => ({
  kind: 'cell',
  place: { custodian: row.custodian, record: row.recordId, recordNo: row.recordNo },
  what,
});

const pageFinding = (row: PageScrubRow, what: string): ScrubFinding => ({
  kind: 'page',
  place: { custodian: row.custodian, page: row.pageId, firstNo: row.firstNo, lastNo: row.lastNo },
  what,
});

const slotOfWrap = (row: WrapScrubRow) =>
  ({
    custodian: row.custodian,
    group: row.group,
    purpose: row.part ? 'part' : 'dek',
    objectId: row.contentId,
  }) as const;

const slotOfCell = (row: CellScrubRow) =>
  ({
    custodian: row.custodian,
    group: Math.floor(row.recordNo / recordsPerGroup),
    purpose: 'cell',
    objectId: row.recordId,
  }) as const;

const slotOfPage = (row: PageScrubRow) =>
  ({
    custodian: row.custodian,
    group: Math.floor(row.firstNo / recordsPerGroup),
    purpose: 'page',
    objectId: row.pageId,
  }) as const;

/** Rows whose wrap the key service cannot open. Nothing is handed out: it only wraps again. */
async function refused<R extends { readonly wrap: Buffer }>(
  keys: KeyClient | undefined,
  rows: readonly R[],
  slotOf: (row: R) => Parameters<KeyClient['rewrap']>[0][number]['to'],
  finding: (row: R, what: string) => ScrubFinding,
): Promise<ScrubFinding[]> {
  if (keys === undefined || rows.length === 0) return [];
  try {
    const items = rows.map((row) => ({
      from: { ...slotOf(row), wrap: row.wrap },
      to: slotOf(row),
    }));
    for (const fresh of await keys.rewrap(items)) fresh.fill(0);
    return [];
  } catch (error) {
    if (!(error instanceof PostsealError) || error.retryable) throw error;
    const [only] = rows;
    if (rows.length === 1 && only !== undefined) return [finding(only, error.code)];
  }
  const half = Math.ceil(rows.length / 2);
  return [
    ...(await refused(keys, rows.slice(0, half), slotOf, finding)),
    ...(await refused(keys, rows.slice(half), slotOf, finding)),
  ];
}
