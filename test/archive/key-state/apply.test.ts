// A database from before an erasure with the newest key state: on a real token, whose old key is destroyed. What was
// not erased opens byte for byte, its metadata too, wherever it was folded or sealed anew since; what was erased does
// not; and a state that is older than the database takes nothing back.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { foldMetadata } from '../../../src/archive/fold-metadata.ts';
import { destroyGeneration } from '../../../src/archive/generations/key-destroy.ts';
import { rewrapKeys, rotateKeys } from '../../../src/archive/generations/key-switch.ts';
import { type AppliedState, applyKeyState } from '../../../src/archive/key-state/apply.ts';
import { newScrubCounts, scrubArchive } from '../../../src/archive/scrub.ts';
import type { StoredRecord } from '../../../src/archive/types.ts';
import { PostsealError } from '../../../src/kernel/errors.ts';
import type { CustodianId } from '../../../src/kernel/ids.ts';
import { systemActor } from '../../../src/ledger/event/draft.ts';
import { openSwitchStage, type SwitchStage } from '../generations/switch-stage.ts';
import { recordsOf, sourceOf, takeBytes, type TakenBytes } from './state-bytes.ts';
import { copyTables, putBackTables } from './tables-as-before.ts';

let run: SwitchStage;
let touched: CustodianId;
let folded: CustodianId;
let ofPage: StoredRecord;
let ofCell: StoredRecord;
let kept: StoredRecord[];
let before: Map<string, string>;

const scope = (after?: TakenBytes['horizon']) => ({
  organisation: run.stage.organisation,
  after,
  rotatedSince: null,
});
const apply = (...states: Buffer[]): Promise<AppliedState> => {
  const { database, organisation } = run.stage;
  const sealer = run.stage.newSealer('restore');
  return applyKeyState({ database, organisation, sealer }, states.map(sourceOf));
};
const fold = () =>
  foldMetadata(
    { db: run.deps.database, keys: run.node.keys, committer: run.node.committer },
    { limitPages: 9 },
  );

async function switchTo(destroyed: number): Promise<void> {
  await rotateKeys(run.deps, systemActor);
  const steps = rewrapKeys(run.deps, systemActor);
  while ((await steps.next()).done !== true);
  const used = {
    op: 'approval.used',
    outcome: 'success',
    actor: systemActor,
    objects: [{ t: 'apr', id: randomUUID() }],
  } as const;
  await destroyGeneration(run.deps, {
    generation: destroyed,
    graceDays: 0,
    actor: systemActor,
    approval: { used, use: () => Promise.resolve() },
  });
}

/** Subject by record; of those that do not open, the code of the refusal. */
async function subjects(records: readonly StoredRecord[]): Promise<Map<string, string>> {
  const out = new Map<string, string>();
  for (let at = 0; at < records.length; at += 50) {
    const part = records.slice(at, at + 50);
    const found = await run.node.archive.openMetadata(await run.node.grant(part), part);
    found.forEach((one, i) => {
      const text = one instanceof PostsealError ? one.code : JSON.stringify(one);
      out.set(part[i]!.recordId, text);
    });
  }
  return out;
}

beforeAll(async () => {
  run = await openSwitchStage();
  touched = await run.newCustodian();
  folded = await run.newCustodian();
  const inPage = await run.fill(touched, 70);
  await fold();
  const inCells = await run.fill(touched, 6);
  const later = await run.fill(folded, 70);
  const others = await run.fill(await run.newCustodian(), 3);
  ofPage = inPage[10]!;
  ofCell = inCells[2]!;
  kept = [...inPage, ...inCells, ...later, ...others].filter(
    (one) => one !== ofPage && one !== ofCell && one !== later[0],
  );
  before = await subjects(kept);
  await copyTables(run.stage.database, 'old');
  await run.node.shred(ofPage);
  await run.node.shred(ofCell);
  // The last of this custodian's: in the old copy all its metadata lies in cells.
  await run.node.shred(later[0]!);
  await switchTo(1);
  await fold();
}, 120_000);
afterAll(() => run.close());

describe('an older database', () => {
  let state: TakenBytes;
  beforeAll(async () => {
    state = await takeBytes(run.stage.database, scope());
    await putBackTables(run.stage.database, 'old');
  }, 60_000);

  test('opens nothing by its own keys', async () => {
    await expect(run.stage.restartKeys()).rejects.toMatchObject({ code: 'key.store-other' });
  });

  test('with the newest key state gives back what was not erased, and not what was', async () => {
    const applied = await apply(state.bytes);
    expect(applied.changed).toMatchObject({ generation: 2, erased: 3, contentWrap: 143, page: 2 });
    expect(new Set(applied.erased.map(({ recordId }) => recordId)).size).toBe(3);
    await run.stage.restartKeys();
    expect(await run.unreadable(kept)).toEqual([]);
    expect(await subjects(kept)).toEqual(before);
    await expect(run.node.read(ofPage)).rejects.toMatchObject({ code: 'key.destroyed' });
    await expect(run.node.read(ofCell)).rejects.toMatchObject({ code: 'key.destroyed' });
    const gone = await subjects([ofPage, ofCell]);
    expect([...gone.values()].every((text) => /^[a-z]+\.[a-z-]+$/.test(text))).toBe(true);
  });

  test('applied once more it changes nothing', async () => {
    const { changed } = await apply(state.bytes);
    expect(Object.values(changed).filter((rows) => rows > 0)).toEqual([]);
  });

  test('erased records are shredded again, and a scrub finds a whole archive', async () => {
    const { erased } = await apply(state.bytes);
    const dates = () =>
      run.rows('SELECT record_id, version, executed_at FROM erased_record ORDER BY record_id');
    const known = await dates();
    for (const record of erased) await run.node.shred(record);
    expect(await dates()).toEqual(known);
    const found: unknown[] = [];
    const { store } = run.node;
    const scrub = scrubArchive({ db: run.stage.database, store }, newScrubCounts());
    for await (const finding of scrub) found.push(finding);
    expect(found).toEqual([]);
    expect(await subjects(kept)).toEqual(before);
    // The pages are of one piece again: another record of the page goes the ordinary way.
    const next = kept.shift()!;
    await run.node.shred(next);
    expect(await subjects(kept)).toEqual(
      new Map([...before].filter(([id]) => id !== next.recordId)),
    );
  });
});

describe('changes since a full state', () => {
  test('hold new keys and erasures, and are refused as such once a group key has ended', async () => {
    const full = await takeBytes(run.stage.database, scope());
    const custodian = await run.newCustodian();
    const [first, ...others] = await run.fill(custodian, 3);
    await copyTables(run.stage.database, 'later');
    await run.node.shred(first!);
    const changes = await takeBytes(run.stage.database, scope(full.horizon));
    expect(changes.needsFull).toBe(false);
    const kinds = new Set((await recordsOf(changes.bytes)).map(({ kind }) => kind));
    expect([...kinds]).not.toContain('contentWrap');
    // As restored from a copy from before that custodian: its keys are there again.
    await putBackTables(run.stage.database, 'old');
    const applied = await apply(changes.bytes, full.bytes);
    expect(
      await run.rows(`SELECT state, marked FROM group_key WHERE custodian_id = $1`, [custodian]),
    ).toEqual([{ state: 'live', marked: true }]);
    expect(applied.erased.length).toBeGreaterThan(2);
    // And a database that is younger than the full state keeps what it has: mail that came after it opens.
    await putBackTables(run.stage.database, 'later');
    expect(await apply(full.bytes)).toMatchObject({ changed: { groupKey: 0, contentWrap: 0 } });
    await run.stage.restartKeys();
    expect(await run.unreadable([first!, ...others])).toEqual([]);
    const { erased } = await apply(changes.bytes, full.bytes);
    expect(erased.map(({ recordId }) => recordId)).toEqual([first!.recordId]);
    await run.node.shred(first!);
    await switchTo(2);
    expect(await takeBytes(run.stage.database, scope(full.horizon))).toMatchObject({
      needsFull: true,
    });
    await run.stage.restartKeys();
    expect(await run.unreadable(others)).toEqual([]);
  }, 60_000);
});
