// The state in memory against the rows: random histories from two processes, a naive model beside them,
// and a third process that loads cold (from snapshot and log, or from rows) after every step.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { MailboxId, Uid } from '../../src/kernel/ids.ts';
import type { Account, AccountView, Change, MailboxView } from '../../src/mailbox/types.ts';
import {
  actor,
  append,
  appendMany,
  inRows,
  inView,
  newAccount,
  openStage,
  type Process,
  type Stage,
  uids,
  signIn,
} from './stage.ts';

let stage: Stage;
let one: Process;
let two: Process;
/** Keeps nothing: what it opens is loaded anew. */
let cold: Process;
beforeAll(async () => {
  stage = await openStage();
  one = await stage.process({ snapshotChanges: 12 });
  two = await stage.process({ snapshotChanges: 12, stateBytesMax: 0 });
  cold = await stage.process({ snapshotChanges: 1e9, stateBytesMax: 0 });
}, 60_000);
afterAll(() => stage.close());

const flagsUsed = ['\\Seen', '\\Flagged', '\\Deleted', '$Work', '$Later'];
const command = fc.record({
  who: fc.integer({ min: 0, max: 1 }),
  box: fc.integer({ min: 0, max: 1 }),
  what: fc.oneof(
    { weight: 4, arbitrary: fc.constant('append' as const) },
    { weight: 5, arbitrary: fc.constantFrom('add' as const, 'remove' as const, 'set' as const) },
    { weight: 4, arbitrary: fc.constantFrom('expunge' as const, 'copy' as const, 'move' as const) },
  ),
  flags: fc.uniqueArray(fc.constantFrom(...flagsUsed), { maxLength: 2 }),
  // Which of the messages in view, as a bit pattern over places.
  places: fc.integer({ min: 1, max: 255 }),
  expunges: fc.boolean(),
});
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;
/** Commands of one group run at once. */
const history = fc.array(fc.array(command, { minLength: 1, maxLength: 4 }), {
  minLength: 4,
  maxLength: 14,
});

interface Sides {
  readonly account: Account;
  readonly boxes: readonly MailboxId[];
  /** By process and box. */
  readonly views: readonly (readonly MailboxView[])[];
  /** Process `i` appends through this one. */
  readonly processes: readonly Process[];
  readonly accounts: readonly AccountView[];
}

async function openSides(): Promise<Sides> {
  const { account, view } = await newAccount(one);
  const away = await signIn(two, account);
  const other = await view.create('Other', actor);
  const boxes = [account.inbox, other.id!];
  const open = (from: AccountView) => Promise.all(boxes.map((box) => from.open(box, 'read-write')));
  return {
    account,
    boxes,
    views: [await open(view), await open(away)],
    processes: [one, two],
    accounts: [view, away],
  };
}

function chosen(view: MailboxView, places: number): Uid[] {
  return Array.from(view.snapshot().uids).filter((_, i) => (places >> (i % 8)) % 2 === 1) as Uid[];
}

async function run(sides: Sides, { who, box, what, flags, places }: Command): Promise<void> {
  const view = sides.views[who]![box]!;
  const to = sides.boxes[1 - box]!;
  const list = chosen(view, places);
  if (what === 'append') {
    const bits = await sides.accounts[who]!.flagBits(sides.boxes[box]!, flags, actor);
    await append(sides.processes[who]!, sides.account, sides.boxes[box]!, { flags: bits });
  } else if (what === 'expunge') await view.expunge({ actor });
  else if (what === 'copy') await view.copy({ uids: list, to, actor });
  else if (what === 'move') await view.move({ uids: list, to, actor });
  else await view.store({ uids: list, op: what, flags, actor });
}

/** What a client knows that only believes what it is told; it keeps uids by place. */
class Client {
  uids: number[];
  readonly #view: MailboxView;
  constructor(view: MailboxView) {
    this.#view = view;
    this.uids = Array.from(view.snapshot().uids);
  }
  hear(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === 'vanished') {
        for (const [i, seq] of [...change.seqs.entries()].reverse()) {
          expect(this.uids[seq - 1]).toBe(change.uids[i]);
          this.uids.splice(seq - 1, 1);
        }
      } else if (change.kind === 'exists') {
        const all = Array.from(this.#view.snapshot().uids);
        expect(change.messages).toBe(all.length);
        expect(all.slice(0, this.uids.length)).toEqual(this.uids);
        this.uids = all;
      } else if (change.kind === 'flags') {
        for (const { uid, seq } of change.messages) expect(this.uids[seq - 1]).toBe(uid);
      }
    }
    expect(Array.from(this.#view.snapshot().uids)).toEqual(this.uids);
  }
}

async function checkAll(
  sides: Sides,
  clients: readonly Client[][],
  expunges: boolean,
): Promise<void> {
  const coldAccount = await signIn(cold, sides.account);
  for (const [box, id] of sides.boxes.entries()) {
    const rows = await inRows(stage.db, id);
    for (const [who, views] of sides.views.entries()) {
      const view = views[box]!;
      clients[who]![box]!.hear(await view.changes({ expunges, force: true }));
      const alive = new Set(rows.map(({ uid }) => uid));
      expect(inView(view).filter(({ uid }) => alive.has(uid))).toEqual(rows);
      if (expunges) expect(inView(view)).toEqual(rows);
    }
    const fresh = await coldAccount.open(id, 'read-only');
    expect(inView(fresh)).toEqual(rows);
    const status = await coldAccount.status(id);
    expect(status).toMatchObject({
      messages: rows.length,
      unseen: rows.filter(({ flags }) => flags % 2 === 0).length,
      deleted: rows.filter(({ flags }) => (flags & 8) !== 0).length,
      size: rows.length * 100,
      highestModSeq: fresh.snapshot().highestModSeq,
    });
    expect(Math.max(0, ...rows.map(({ modseq }) => modseq))).toBeLessThanOrEqual(
      status.highestModSeq,
    );
    fresh.close();
  }
}

describe('mailbox state', () => {
  test('equals the rows after every step, warm in two processes and cold in a third', async () => {
    let snapshots = 0;
    await fc.assert(
      fc.asyncProperty(history, async (groups) => {
        const sides = await openSides();
        const clients = sides.views.map((views) => views.map((view) => new Client(view)));
        for (const group of groups) {
          await Promise.all(group.map((each) => run(sides, each)));
          await checkAll(sides, clients, group[0]!.expunges);
        }
        await checkAll(sides, clients, true);
        for (const view of sides.views.flat()) view.close();
        const { rows } = await stage.db.database.pool.query(
          'SELECT FROM mailbox_memory WHERE mailbox_id = ANY($1) AND snapshot_modseq > 0',
          [sides.boxes],
        );
        snapshots += rows.length;
      }),
      { numRuns: 6, seed: 20_261_124 },
    );
    // Otherwise the cold loads came from rows alone.
    expect(snapshots).toBeGreaterThan(3);
  });

  test('one command after the other gives what a naive model gives', async () => {
    const rank = new Map(flagsUsed.map((flag, i) => [flag, i]));
    const sorted = (flags: Iterable<string>) =>
      [...flags].sort((a, b) => rank.get(a)! - rank.get(b)!);
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 25 }), async (commands) => {
        const sides = await openSides();
        const model = [new Map<number, Set<string>>(), new Map<number, Set<string>>()];
        const next = [1, 1];
        for (const each of commands) {
          const { who, box, what, flags, places } = each;
          const view = sides.views[who]![box]!;
          await view.changes();
          const list = chosen(view, places);
          await run(sides, each);
          const mine = model[box]!;
          const other = model[1 - box]!;
          if (what === 'append') mine.set(next[box]!++, new Set(flags));
          for (const uid of what === 'append' || what === 'expunge' ? [] : list) {
            const now = mine.get(uid)!;
            if (what === 'add') flags.forEach((flag) => now.add(flag));
            else if (what === 'remove') flags.forEach((flag) => now.delete(flag));
            else if (what === 'set') mine.set(uid, new Set(flags));
            else other.set(next[1 - box]!++, new Set(now));
            if (what === 'move') mine.delete(uid);
          }
          if (what === 'expunge') {
            for (const [uid, set] of mine) if (set.has('\\Deleted')) mine.delete(uid);
          }
        }
        for (const box of [0, 1]) {
          for (const views of sides.views) {
            const view = views[box]!;
            await view.changes();
            const seen = inView(view).map(({ uid, flags }) => [uid, sorted(view.flagNames(flags))]);
            expect(seen).toEqual([...model[box]!].map(([uid, set]) => [uid, sorted(set)]));
            expect(view.snapshot().uidNext).toBe(next[box]);
          }
        }
        for (const view of sides.views.flat()) view.close();
      }),
      { numRuns: 12, seed: 20_261_125 },
    );
  });

  test('loads from the snapshot and the log after it, and anew when the log was cut', async () => {
    const writer = await stage.process({ snapshotChanges: 50 });
    const { account, view } = await newAccount(writer);
    const stale = await (await signIn(two, account)).open(account.inbox, 'read-write');
    const open = await view.open(account.inbox, 'read-write');
    for (let round = 0; round < 4; round += 1) {
      await appendMany(writer, account, account.inbox, 60);
      const some = uids(...Array.from({ length: 20 }, (_, i) => round * 60 + i + 1));
      await open.store({ uids: some, op: 'add', flags: ['\\Deleted', '$Old'], actor });
      await open.expunge({ uids: some.slice(0, 10), actor });
      await open.changes();
      await writer.service.close();
    }
    const memory = await stage.db.database.pool.query<Record<string, string>>(
      'SELECT log_floor, snapshot_modseq FROM mailbox_memory WHERE mailbox_id = $1',
      [account.inbox],
    );
    const floor = Number(memory.rows[0]!['log_floor']);
    expect(floor).toBeGreaterThan(stale.snapshot().highestModSeq);
    expect(Number(memory.rows[0]!['snapshot_modseq'])).toBeGreaterThan(floor);
    const oldest = await stage.db.database.pool.query<{ m: string }>(
      'SELECT min(modseq) AS m FROM change_log WHERE mailbox_id = $1',
      [account.inbox],
    );
    expect(Number(oldest.rows[0]!.m)).toBeGreaterThan(floor);
    await stale.changes();
    expect(inView(stale)).toEqual(await inRows(stage.db, account.inbox));
    // A snapshot that does not decode costs time, not truth.
    await stage.db.database.pool.query(
      `UPDATE mailbox_snapshot SET data = set_byte(data, 20, 255 - get_byte(data, 20)) WHERE mailbox_id = $1`,
      [account.inbox],
    );
    const again = await stage.process();
    const fresh = await (await signIn(again, account)).open(account.inbox, 'read-only');
    expect(inView(fresh)).toEqual(await inRows(stage.db, account.inbox));
    for (const each of [fresh, open, stale]) each.close();
    await writer.close();
  });

  test('thousands of idle views cause no statement, and a hint reaches every one', async () => {
    const idle = await stage.process({ trustMs: 60_000 });
    const { account, view } = await newAccount(idle);
    const first = await view.open(account.inbox, 'read-write');
    let statements = 0;
    idle.database.pool.on('acquire', () => (statements += 1));
    // Opening asks once each; idling and being told of commits made here asks nothing.
    const views = await Promise.all(
      Array.from({ length: 2_500 }, () => view.open(account.inbox, 'read-only')),
    );
    let woken = 0;
    for (const each of views) each.onHint(() => (woken += 1));
    statements = 0;
    await append(idle, account, account.inbox);
    expect(woken).toBe(2_500);
    const news = await Promise.all(views.map((each) => each.changes()));
    expect(news.every(([change]) => change?.kind === 'exists')).toBe(true);
    expect(statements).toBe(0);
    for (const each of [first, ...views]) each.close();
    await idle.close();
  });

  test('forgets mailboxes without views beyond its bytes, never those with', async () => {
    const small = await stage.process({ stateBytesMax: 2_000 });
    const { account, view } = await newAccount(small);
    const folders = (await view.folders()).map(({ id }) => id!);
    for (const id of folders) await appendMany(small, account, id, 40);
    const views = await Promise.all(folders.map((id) => view.open(id, 'read-write')));
    for (const each of views) expect(each.snapshot().uids).toHaveLength(40);
    for (const each of views) each.close();
    const again = await view.open(folders[0]!, 'read-write');
    expect(inView(again)).toEqual(await inRows(stage.db, folders[0]!));
    again.close();
    await small.close();
  });
});

describe('\\Recent', () => {
  test('goes to exactly one read-write session, over processes', async () => {
    const { account, view } = await newAccount(one);
    const away = await signIn(two, account);
    await appendMany(one, account, account.inbox, 5);
    const look = await view.open(account.inbox, 'read-only');
    expect(look.recentCount).toBe(5);
    const views = await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        (i % 2 === 0 ? view : away).open(account.inbox, 'read-write'),
      ),
    );
    expect(views.map(({ recentCount }) => recentCount).sort()).toEqual([0, 0, 0, 0, 0, 5]);
    expect((await view.status(account.inbox)).recent).toBe(0);
    await appendMany(two, account, account.inbox, 3);
    expect((await view.status(account.inbox)).recent).toBe(3);
    await Promise.all(views.map((each) => each.changes()));
    for (const uid of uids(1, 5, 6, 7, 8)) {
      expect(views.filter((each) => each.isRecent(uid))).toHaveLength(1);
    }
    const late = await away.open(account.inbox, 'read-write');
    expect(late.recentCount).toBe(0);
    for (const each of [look, late, ...views]) each.close();
  });
});
