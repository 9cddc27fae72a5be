// A large mailbox: it loads in slices, from rows and from its snapshot, and changes cost what they change.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Account } from '../../src/mailbox/types.ts';
import { fillMailbox } from './fill.ts';
import {
  actor,
  append,
  inRows,
  inView,
  newAccount,
  openStage,
  type Process,
  type Stage,
  uids,
  signIn,
} from './stage.ts';

// Several parts of a snapshot (32,768 each): of two, the first alone would be more than half of a load.
const messages = 120_000;
let stage: Stage;
let writer: Process;
let account: Account;
beforeAll(async () => {
  stage = await openStage();
  writer = await stage.process();
  ({ account } = await newAccount(writer));
  await fillMailbox(stage.db.database, account, account.inbox, messages);
}, 60_000);
afterAll(() => stage.close());

/** The longest turn of the event loop as a share of all of `run`, in CPU time of this thread. */
async function longestTurn(run: () => Promise<void>): Promise<number> {
  const used = () => {
    const { user, system } = process.threadCpuUsage();
    return user + system;
  };
  const started = used();
  let last = started;
  let longest = 0;
  let running = true;
  const tick = () => {
    const now = used();
    longest = Math.max(longest, now - last);
    last = now;
    if (running) setImmediate(tick);
  };
  setImmediate(tick);
  await run();
  running = false;
  tick();
  return longest / (used() - started);
}

/**
 * The best of three: one collection of garbage may fill most of one short load, and a load that gives no
 * turns would use one turn for all of each of them.
 */
async function turnOfColdLoad(): Promise<number> {
  const shares: number[] = [];
  for (let i = 0; i < 3; i += 1) shares.push(await loadCold());
  return Math.min(...shares);
}

async function loadCold(): Promise<number> {
  const process = await stage.process({ stateBytesMax: 0, snapshotChanges: 1e9 });
  const view = await signIn(process, account);
  await view.folders();
  const share = await longestTurn(async () => {
    const open = await view.open(account.inbox, 'read-only');
    const snapshot = open.snapshot();
    expect(snapshot.uids).toHaveLength(messages);
    for (const index of [0, 40_001, messages - 1]) {
      expect(snapshot.uids[index]).toBe(index + 1);
      expect(snapshot.flags(index)).toBe((index + 1) % 8);
    }
    open.close();
  });
  await process.close();
  return share;
}

describe('a mailbox of 120,000', () => {
  test('loads from rows and from its snapshot with turns for others in between', async () => {
    expect(await turnOfColdLoad()).toBeLessThan(0.5);
    const open = await (await signIn(writer, account)).open(account.inbox, 'read-write');
    await open.changes();
    open.close();
    await writer.service.close();
    const { rows } = await stage.db.database.pool.query(
      'SELECT octet_length(data) AS bytes FROM mailbox_snapshot WHERE mailbox_id = $1',
      [account.inbox],
    );
    expect(rows.length).toBeGreaterThan(1);
    expect(await turnOfColdLoad()).toBeLessThan(0.5);
  }, 60_000);

  test('catches up on a large change by another process', async () => {
    const other = await stage.process({ snapshotChanges: 1e9 });
    const here = await (await signIn(writer, account)).open(account.inbox, 'read-write');
    const there = await (await signIn(other, account)).open(account.inbox, 'read-write');
    const list = uids(...Array.from({ length: 4_500 }, (_, i) => 2 * i + 1));
    const { changed } = await there.store({
      uids: list,
      op: 'add',
      flags: ['\\Deleted', '$Bulk'],
      actor,
    });
    expect(changed).toHaveLength(4_500);
    expect((await there.expunge({ uids: list.slice(0, 2_500), actor })).expunged).toHaveLength(
      2_500,
    );
    await append(other, account, account.inbox);
    const kinds = (await here.changes()).map(({ kind }) => kind);
    expect(kinds).toEqual(['vanished', 'exists', 'keywords', 'flags']);
    expect(inView(here)).toEqual(await inRows(stage.db, account.inbox));
    await there.changes();
    expect(inView(there)).toEqual(inView(here));
    here.close();
    there.close();
    await other.close();
  }, 60_000);
});
