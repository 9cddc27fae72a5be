// `key rewrap` on a real token: everything hangs under the live generation afterwards, the keys that an erasure
// replaced are gone, nothing else is lost; with mail coming in meanwhile, with damage, and again from any point.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { foldMetadata } from '../../../src/archive/fold-metadata.ts';
import {
  rewrapKeys,
  type Rewrapped,
  rotateKeys,
  type RewrapLine,
} from '../../../src/archive/generations/key-switch.ts';
import { newScrubCounts, scrubArchive } from '../../../src/archive/scrub.ts';
import type { StoredRecord } from '../../../src/archive/types.ts';
import type { CustodianId } from '../../../src/kernel/ids.ts';
import { systemActor } from '../../../src/ledger/event/draft.ts';
import { tamper } from '../tamper.ts';
import { openSwitchStage, type SwitchStage } from './switch-stage.ts';

let run: SwitchStage;
beforeAll(async () => {
  run = await openSwitchStage();
}, 60_000);
afterAll(() => run.close());

async function rewrap(): Promise<{ lines: RewrapLine[]; done: Rewrapped }> {
  const lines: RewrapLine[] = [];
  for await (const line of rewrapKeys(run.deps, systemActor)) lines.push(line);
  const last = lines.at(-1)!;
  if ('phase' in last) throw new Error('no end');
  return { lines, done: last.done };
}

const groupsOf = (custodian: CustodianId) =>
  run.rows(
    `SELECT version, state, wrap IS NULL AS gone FROM group_key WHERE custodian_id = $1 ORDER BY version`,
    [custodian],
  );

/** Versions of the group keys under which what a custodian has is wrapped, by table. */
const versionsOf = async (custodian: CustodianId) =>
  Object.fromEntries(
    await Promise.all(
      ['content_wrap', 'metadata_cell', 'metadata_page'].map(async (table) => {
        const found = await run.rows(
          `SELECT DISTINCT get_byte(wrap, 5) AS version FROM ${table} WHERE custodian_id = $1 ORDER BY 1`,
          [custodian],
        );
        return [table, found.map(({ version }) => version)] as const;
      }),
    ),
  );

describe('after an erasure', () => {
  let touched: CustodianId;
  let untouched: CustodianId;
  let left: StoredRecord[];
  beforeAll(async () => {
    touched = await run.newCustodian();
    untouched = await run.newCustodian();
    const taken = await run.fill(touched, 70);
    await foldMetadata(
      { ...run.deps, db: run.deps.database, keys: run.node.keys, committer: run.node.committer },
      { limitPages: 4 },
    );
    const [gone, ...others] = [...taken, ...(await run.fill(touched, 5))];
    left = [...others, ...(await run.fill(untouched, 3))];
    await run.node.shred(gone!);
    await rotateKeys(run.deps, systemActor);
  }, 60_000);

  test('moves wraps, cells and pages, ends the replaced key, and tells how far it is', async () => {
    expect(await versionsOf(touched)).toEqual({
      content_wrap: [1],
      metadata_cell: [1],
      metadata_page: [1],
    });
    const { lines, done } = await rewrap();
    expect(done).toEqual({
      generation: 2,
      custodians: 1,
      rotated: 0,
      groups: 1,
      wraps: 80,
      failed: 0,
    });
    expect(lines.slice(0, -1)).toEqual([
      { phase: 'custodians', done: 1, total: 1 },
      { phase: 'groups', done: 1, total: 1 },
    ]);
    expect(await versionsOf(touched)).toEqual({
      content_wrap: [2],
      metadata_cell: [2],
      metadata_page: [2],
    });
    expect(await groupsOf(touched)).toEqual([
      { version: 1, state: 'destroyed', gone: true },
      { version: 2, state: 'live', gone: false },
    ]);
    expect(await run.generations()).toMatchObject([
      { state: 'retired', custodianKeys: 0, organisationKeys: 0, groupKeys: 0 },
      { state: 'live', custodianKeys: 2, organisationKeys: 1, groupKeys: 2 },
    ]);
    const { keys, store } = run.node;
    const findings = [];
    const scrub = scrubArchive({ db: run.stage.database, store, keys }, newScrubCounts());
    for await (const finding of scrub) findings.push(finding);
    expect(findings).toEqual([]);
  });

  test('all mail opens, with the caches of then and from the tables alone', async () => {
    expect(await run.unreadable(left)).toEqual([]);
    await run.stage.restartKeys();
    expect(await run.unreadable(left)).toEqual([]);
    const grant = await run.node.grant(left);
    const opened = await run.node.archive.openMetadata(grant, left);
    expect(opened.filter((one) => one instanceof Error)).toEqual([]);
  });

  test('a custodian costs one call of the token, also while the old generation is there', async () => {
    await run.stage.restartKeys();
    const { keyStore } = run.stage;
    const unwrap = keyStore.unwrap.bind(keyStore);
    let calls = 0;
    keyStore.unwrap = (...asked) => {
      calls += 1;
      return unwrap(...asked);
    };
    try {
      expect(await run.unreadable(left.slice(0, 3))).toEqual([]);
    } finally {
      keyStore.unwrap = unwrap;
    }
    expect(calls).toBe(1);
  });

  test('once more does nothing and says nothing in the ledger', async () => {
    const ends = () =>
      run.rows(
        `SELECT 1 FROM audit_inbox i, unnest(i.bodies) b WHERE convert_from(b, 'UTF8')::json ->> 'op' = 'key.rewrap-ended'`,
      );
    const before = (await ends()).length;
    expect((await rewrap()).done).toMatchObject({ custodians: 0, groups: 0, wraps: 0, failed: 0 });
    expect((await ends()).length).toBe(before);
  });
});

test('mail that comes in meanwhile stays readable, and what is shredded meanwhile stays away', async () => {
  const custodian = await run.newCustodian();
  const first = await run.fill(custodian, 40);
  await run.node.shred(first[0]!);
  const arriving = run.fill(custodian, 40);
  await rotateKeys(run.deps, systemActor);
  const [later] = await Promise.all([arriving, rewrap(), run.node.shred(first[1]!)]);
  await rewrap();
  const left = [...first.slice(2), ...later];
  expect(await run.unreadable(left)).toEqual([]);
  expect((await run.unreadable(first)).map(({ recordId }) => recordId)).toEqual(
    first.slice(0, 2).map(({ recordId }) => recordId),
  );
  await run.stage.restartKeys();
  expect(await run.unreadable(left)).toEqual([]);
});

test('one who is ended after any step goes on behind it', async () => {
  const custodians = await Promise.all(Array.from({ length: 40 }, () => run.newCustodian()));
  const left: StoredRecord[] = [];
  for (const [i, custodian] of custodians.entries()) {
    const taken = await run.fill(custodian, 2);
    if (i % 4 === 0) await run.node.shred(taken.shift()!);
    left.push(...taken);
  }
  await rotateKeys(run.deps, systemActor);
  // After its first step, after its second, … until one comes to the end.
  let runs = 0;
  for (let finished = false; !finished;) {
    runs += 1;
    const steps = rewrapKeys(run.deps, systemActor);
    for (let step = 0; step < runs && !finished; step += 1) {
      const next = await steps.next();
      finished = next.done !== true && !('phase' in next.value);
    }
    await steps.return(undefined);
    await run.stage.restartKeys();
  }
  expect(runs).toBeGreaterThan(3);
  const { done } = await rewrap();
  expect(done.failed).toBe(0);
  expect(await run.unreadable(left)).toEqual([]);
  const older = (await run.generations()).filter(({ state }) => state !== 'live');
  expect(older.map((g) => g.custodianKeys + g.organisationKeys + g.groupKeys)).toEqual(
    older.map(() => 0),
  );
}, 60_000);

test('a run whose end the ledger does not take leaves the way free for the next', async () => {
  const custodian = await run.newCustodian();
  await run.fill(custodian, 1);
  await rotateKeys(run.deps, systemActor);
  const record = (): Promise<never> => Promise.reject(new Error('no ledger'));
  const steps = rewrapKeys({ ...run.deps, committer: { record } }, systemActor);
  await expect(
    (async () => {
      while ((await steps.next()).done !== true);
    })(),
  ).rejects.toThrow('no ledger');
  expect((await rewrap()).done).toMatchObject({ failed: 0 });
}, 30_000);

test('a wrap that does not open stays, is counted, and keeps the replaced key alive', async () => {
  const custodian = await run.newCustodian();
  const [gone, ...left] = await run.fill(custodian, 4);
  await run.node.shred(gone!);
  const [damaged, ...sound] = left;
  await tamper(
    run.stage.database.pool,
    'content_wrap',
    `UPDATE content_wrap SET wrap = set_byte(wrap, 40, get_byte(wrap, 40) # 1) WHERE content_id = $1`,
    [damaged!.contentId],
  );
  await rotateKeys(run.deps, systemActor);
  const { done } = await rewrap();
  expect(done).toMatchObject({ groups: 0, failed: 1 });
  expect(await groupsOf(custodian)).toMatchObject([{ state: 'retired' }, { state: 'live' }]);
  expect(await run.unreadable(sound)).toEqual([]);
});
