// The job that folds metadata cells into pages (architecture §3 "Metadata"): the same bytes, compressed
// together, a key and a row for 64 to 128 records. Each page is a transaction of its own, so a crash
// leaves cells or a page and the next run goes on. Deliveries and shreds may run at the same time.
import { PostsealError } from '../kernel/errors.ts';
import { recordsPerGroup } from '../kernel/limits.ts';
import { systemActor } from '../ledger/event/draft.ts';
import type { Database } from '../platform/postgres/database.ts';
import { openCell } from '../vault/formats/cell.ts';
import type { KeyClient } from '../vault/keys/types.ts';
import { type Committer, part } from './committer/types.ts';
import { foldKind } from './fold-part.store.ts';
import {
  foldableCells,
  type FoldableCell,
  foldableGroups,
  type FoldableGroup,
  foldRecordsMin,
} from './fold-rows.store.ts';
import { openEach } from './key-openings.ts';
import { maintenanceGrant } from './maintenance-grant.ts';
import { sealNewPage } from './new-page.ts';

export interface FoldDeps {
  readonly db: Database;
  readonly keys: KeyClient;
  readonly committer: Committer;
}

export interface FoldOptions {
  /** Pages after which the run ends; the next one goes on. */
  readonly limitPages: number;
}

export interface FoldResult {
  pages: number;
  /** Records in these pages. */
  records: number;
  /** Cells that do not open and were left as they are; a scrub names them. */
  damaged: number;
}

/** Times that the cells of a page may change under it before the run goes on behind them. */
const conflictsMax = 8;

/**
 * Folds what can be folded, at most `limitPages` pages.
 * @throws PostsealError `key.unavailable`, `database.unreachable`: run it again later.
 */
export async function foldMetadata(deps: FoldDeps, options: FoldOptions): Promise<FoldResult> {
  const result: FoldResult = { pages: 0, records: 0, damaged: 0 };
  if (options.limitPages < 1) return result;
  for await (const group of foldableGroups(deps.db)) {
    await foldGroup(deps, group, options.limitPages, result);
    if (result.pages >= options.limitPages) break;
  }
  return result;
}

async function foldGroup(
  deps: FoldDeps,
  group: FoldableGroup,
  limitPages: number,
  result: FoldResult,
): Promise<void> {
  let from = group.group * recordsPerGroup;
  let conflicts = 0;
  while (result.pages < limitPages) {
    const cells = await foldableCells(deps.db, group, from);
    const last = cells.at(-1);
    if (last === undefined || cells.length < foldRecordsMin) return;
    const records = await openCells(deps, group, cells);
    if (records.length >= foldRecordsMin && !(await foldPage(deps, group, records))) {
      // Somebody shredded or folded one of them: once more with those that are still there.
      conflicts += 1;
      if (conflicts < conflictsMax) continue;
    } else if (records.length >= foldRecordsMin) {
      result.pages += 1;
      result.records += records.length;
    }
    result.damaged += cells.length - records.length;
    conflicts = 0;
    from = last.recordNo + 1;
  }
}

type OpenedCell = FoldableCell & { readonly payload: Uint8Array };

/** The cells that open; one that does not stays where it is, for its damage to be seen. */
async function openCells(
  deps: FoldDeps,
  { custodian, group }: FoldableGroup,
  cells: readonly FoldableCell[],
): Promise<OpenedCell[]> {
  const grant = await maintenanceGrant(deps.committer, custodian, 'fold', cells.length);
  const items = cells.map(
    ({ recordId, wrap }) =>
      ({ custodian, group, purpose: 'cell', objectId: recordId, wrap }) as const,
  );
  const keys = await openEach(deps.keys, grant, items);
  return cells.flatMap((cell, i) => {
    const key = keys[i];
    if (key === undefined || key instanceof PostsealError) return [];
    const { recordId } = cell;
    try {
      const context = { purpose: 'cell', custodianId: custodian, objectId: recordId } as const;
      return [{ ...cell, payload: openCell(key, context, cell.cell) }];
    } catch (error) {
      if (error instanceof PostsealError) return [];
      throw error;
    } finally {
      key.fill(0);
    }
  });
}

/** False if a cell changed meanwhile; then nothing happened. */
async function foldPage(
  deps: FoldDeps,
  { custodian, group }: FoldableGroup,
  cells: readonly OpenedCell[],
): Promise<boolean> {
  const page = await sealNewPage(deps.keys, custodian, cells);
  try {
    await deps.committer.commit({
      events: [
        {
          op: 'metadata.folded',
          outcome: 'success',
          actor: systemActor,
          objects: [{ t: 'cus', id: custodian, n: cells.length }],
          fields: { page: page.pageId, group },
        },
      ],
      parts: [part(foldKind, { page, cells })],
    });
    return true;
  } catch (error) {
    if (error instanceof PostsealError && error.code === 'store.conflict') return false;
    throw error;
  }
}
