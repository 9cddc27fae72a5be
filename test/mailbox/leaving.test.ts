// Messages that leave or multiply, on a real PostgreSQL: expunge, copy and move.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { MailboxId } from '../../src/kernel/ids.ts';
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
beforeAll(async () => {
  stage = await openStage();
  one = await stage.process();
  two = await stage.process();
}, 60_000);
afterAll(() => stage.close());

describe('expunge', () => {
  test('takes what has \\Deleted, keeps the record findable, and remembers ranges', async () => {
    const { account, view } = await newAccount(one);
    await appendMany(one, account, account.inbox, 6, 8);
    await appendMany(one, account, account.inbox, 2);
    const open = await view.open(account.inbox, 'read-write');
    const since = open.snapshot().highestModSeq;
    const facts = await open.facts(uids(1, 2, 3, 4, 5, 6, 7, 8));
    const first = await open.expunge({ uids: uids(2, 3, 7), actor });
    expect(first.expunged).toEqual([2, 3]);
    expect(await open.facts(uids(2, 3, 7))).toEqual([facts[1], facts[2], facts[6]]);
    expect(await open.changes()).toEqual([{ kind: 'vanished', uids: [2, 3], seqs: [2, 3] }]);
    const rest = await open.expunge({ actor });
    expect(rest.expunged).toEqual([1, 4, 5, 6]);
    expect(await open.changes()).toEqual([
      { kind: 'vanished', uids: [1, 4, 5, 6], seqs: [1, 2, 3, 4] },
    ]);
    expect(await open.vanishedSince(since)).toEqual([{ first: 1, last: 6 }]);
    expect(await open.vanishedSince(first.modseq)).toEqual([
      { first: 1, last: 1 },
      { first: 4, last: 6 },
    ]);
    expect(await view.status(account.inbox)).toMatchObject({
      messages: 2,
      deleted: 0,
      unseen: 2,
      size: 200,
    });
    expect((await open.expunge({ actor })).expunged).toEqual([]);
    open.close();
  });

  test('of two that expunge at once each message leaves once', async () => {
    const { account, view } = await newAccount(one);
    await appendMany(one, account, account.inbox, 20, 8);
    const open = await view.open(account.inbox, 'read-write');
    const other = await (await signIn(two, account)).open(account.inbox, 'read-write');
    const done = await Promise.all([
      open.expunge({ actor }),
      other.expunge({ actor }),
      open.expunge({ actor }),
    ]);
    const gone = done.flatMap(({ expunged }) => expunged).sort((a, b) => a - b);
    expect(gone).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(await view.status(account.inbox)).toMatchObject({
      messages: 0,
      deleted: 0,
      unseen: 0,
      size: 0,
    });
    open.close();
    other.close();
  });

  test('holds vanished messages back in their places until the session may hear of them', async () => {
    const { account, view } = await newAccount(one);
    await appendMany(one, account, account.inbox, 5);
    const open = await view.open(account.inbox, 'read-write');
    const other = await view.open(account.inbox, 'read-write');
    await other.store({ uids: uids(2, 4), op: 'add', flags: ['\\Deleted'], actor });
    await other.expunge({ actor });
    await append(one, account, account.inbox);
    await other.changes();
    await other.store({ uids: uids(6), op: 'add', flags: ['\\Seen'], actor });
    expect(await open.changes({ expunges: false })).toMatchObject([
      { kind: 'exists', messages: 6 },
    ]);
    expect(Array.from(open.snapshot().uids)).toEqual([1, 2, 3, 4, 5, 6]);
    // Its last state: whoever expunged it had set \\Deleted.
    expect(open.snapshot().flags(1)).toBe(8);
    expect(open.snapshot().flags(5)).toBe(1);
    await other.store({ uids: uids(5), op: 'add', flags: ['\\Seen'], actor });
    expect(await open.changes({ expunges: false })).toMatchObject([
      { kind: 'flags', messages: [{ uid: 5, seq: 5 }] },
    ]);
    expect(await open.changes()).toEqual([{ kind: 'vanished', uids: [2, 4], seqs: [2, 4] }]);
    expect(Array.from(open.snapshot().uids)).toEqual([1, 3, 5, 6]);
    open.close();
    other.close();
  });
});

describe('copy and move', () => {
  test('pair uids, carry flags and translate keywords', async () => {
    const { account, view } = await newAccount(one);
    const work = await view.create('Work', actor);
    await appendMany(one, account, account.inbox, 4, 1);
    const inbox = await view.open(account.inbox, 'read-write');
    const target = await view.open(work.id!, 'read-write');
    await view.flagBits(work.id!, ['$other', '$x'], actor);
    await inbox.store({
      uids: uids(2, 4),
      op: 'add',
      flags: ['$Forwarded', '$x', '\\Deleted'],
      actor,
    });
    const copied = await inbox.copy({ uids: uids(4, 2, 9, 1), to: work.id!, actor });
    expect(copied).toMatchObject({ from: [1, 2, 4], to: [1, 2, 3] });
    expect(copied.uidValidity).toBe(target.uidValidity);
    expect((await target.changes()).map(({ kind }) => kind)).toEqual(['exists', 'keywords']);
    expect(inView(target).map(({ flags }) => target.flagNames(flags))).toEqual([
      ['\\Seen'],
      ['\\Seen', '\\Deleted', '$x', '$Forwarded'],
      ['\\Seen', '\\Deleted', '$x', '$Forwarded'],
    ]);
    const [source, copy] = [await inbox.facts(uids(4)), await target.facts(uids(3))];
    expect(copy[0]!.record).toEqual(source[0]!.record);
    const moved = await inbox.move({ uids: uids(2, 3), to: work.id!, actor });
    expect(moved).toMatchObject({ from: [2, 3], to: [4, 5] });
    expect(await inbox.changes()).toMatchObject([
      { kind: 'vanished', uids: [2, 3] },
      { kind: 'keywords' },
    ]);
    expect(await view.status(work.id!)).toMatchObject({
      messages: 5,
      deleted: 3,
      unseen: 0,
      size: 500,
    });
    expect(await view.status(account.inbox)).toMatchObject({
      messages: 2,
      deleted: 1,
      unseen: 0,
      size: 200,
    });
    inbox.close();
    target.close();
  });

  test('work inside one mailbox and with nothing to do', async () => {
    const { account, view } = await newAccount(one);
    await appendMany(one, account, account.inbox, 2);
    const inbox = await view.open(account.inbox, 'read-write');
    expect(await inbox.move({ uids: uids(1), to: account.inbox, actor })).toMatchObject({
      from: [1],
      to: [3],
    });
    expect(await inbox.copy({ uids: uids(2), to: account.inbox, actor })).toMatchObject({
      from: [2],
      to: [4],
    });
    expect((await inbox.changes()).map(({ kind }) => kind)).toEqual(['vanished', 'exists']);
    expect(inView(inbox)).toEqual(await inRows(stage.db, account.inbox));
    expect(await inbox.copy({ uids: uids(77), to: account.inbox, actor })).toMatchObject({
      from: [],
      to: [],
    });
    expect(await inbox.copy({ uids: [], to: account.inbox, actor })).toMatchObject({
      from: [],
      to: [],
    });
    const nowhere = inbox.copy({ uids: uids(2), to: crypto.randomUUID() as MailboxId, actor });
    await expect(nowhere).rejects.toMatchObject({ code: 'mailbox.unknown' });
    inbox.close();
  });

  test('of two that move one message at once one gets it', async () => {
    const { account, view } = await newAccount(one);
    const [a, b] = [await view.create('A', actor), await view.create('B', actor)];
    await appendMany(one, account, account.inbox, 10);
    const open = await view.open(account.inbox, 'read-write');
    const other = await (await signIn(two, account)).open(account.inbox, 'read-write');
    const list = uids(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    const done = await Promise.all([
      open.move({ uids: list, to: a.id!, actor }),
      other.move({ uids: list, to: b.id!, actor }),
      open.move({ uids: list, to: b.id!, actor }),
    ]);
    expect(done.flatMap(({ from }) => from).sort((x, y) => x - y)).toEqual(list);
    const counts = await view.statuses([a.id!, b.id!, account.inbox]);
    expect(counts.get(account.inbox)!.messages).toBe(0);
    expect(counts.get(a.id!)!.messages + counts.get(b.id!)!.messages).toBe(10);
    open.close();
    other.close();
  });
});

test('a command on more messages than one event can name becomes parts of one operation', async () => {
  const { account, view } = await newAccount(one);
  await appendMany(one, account, account.inbox, 3_000);
  const open = await view.open(account.inbox, 'read-write');
  const even = uids(...Array.from({ length: 1_500 }, (_, i) => 2 * i + 2));
  const { changed } = await open.store({ uids: even, op: 'add', flags: ['\\Deleted'], actor });
  expect(changed).toHaveLength(1_500);
  const trash = (await view.find('Trash'))!;
  const copied = await open.copy({ uids: even, to: trash.id!, actor });
  expect(copied.to).toHaveLength(1_500);
  expect((await open.expunge({ actor })).expunged).toEqual(even);
  await open.changes();
  expect(inView(open)).toEqual(await inRows(stage.db, account.inbox));
  const { rows } = await stage.db.database.pool.query<{ parts: number }>(
    `SELECT count(*)::int AS parts FROM audit_inbox, unnest(bodies) AS body
     WHERE convert_from(body, 'UTF8') LIKE '%message.copied%' AND convert_from(body, 'UTF8') LIKE $1`,
    [`%${account.inbox}%`],
  );
  expect(rows[0]!.parts).toBeGreaterThan(1);
  open.close();
});
