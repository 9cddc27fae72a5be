// Messages on a real PostgreSQL: append, store, expunge, copy, move, from one and from two processes.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hasBit } from '../../src/mailbox/flags/bits.ts';
import type { MailboxId, ModSeq, Uid } from '../../src/kernel/ids.ts';
import type { MailboxView } from '../../src/mailbox/types.ts';
import {
  actor,
  append,
  appendMany,
  grant,
  newAccount,
  openStage,
  type Process,
  type Stage,
} from './stage.ts';

let stage: Stage;
let one: Process;
let two: Process;
beforeAll(async () => {
  stage = await openStage();
  one = await stage.process();
  two = await stage.process();
});
afterAll(() => stage.close());

const uids = (...list: number[]) => list as Uid[];
const inView = (view: MailboxView) => {
  const snapshot = view.snapshot();
  return Array.from(snapshot.uids, (uid, i) => ({
    uid,
    flags: snapshot.flags(i),
    modseq: snapshot.modseq(i),
  }));
};

async function inRows(mailbox: MailboxId) {
  const { rows } = await stage.db.database.pool.query<Record<string, string>>(
    'SELECT uid, flags, modseq FROM message WHERE mailbox_id = $1 ORDER BY uid',
    [mailbox],
  );
  return rows.map((row) => ({
    uid: Number(row['uid']),
    flags: Number(row['flags']),
    modseq: Number(row['modseq']),
  }));
}

describe('append', () => {
  test('gives uids without gaps in order of arrival and one modseq a batch', async () => {
    const { account, view } = await newAccount(one);
    const made = await appendMany(one, account, account.inbox, 50);
    expect(made.map(({ uid }) => uid)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    const status = await view.status(account.inbox);
    expect(status).toMatchObject({ messages: 50, unseen: 50, recent: 50, size: 5000, uidNext: 51 });
    expect(status.highestModSeq).toBe(Math.max(...made.map(({ modseq }) => modseq)));
  });

  test('two processes never give one uid twice, and modseq only grows', async () => {
    const { account, view } = await newAccount(one);
    const made = await Promise.all([
      appendMany(one, account, account.inbox, 40),
      appendMany(two, account, account.inbox, 40),
    ]);
    const all = made.flat().sort((a, b) => a.uid - b.uid);
    expect(all.map(({ uid }) => uid)).toEqual(Array.from({ length: 80 }, (_, i) => i + 1));
    for (let i = 1; i < all.length; i += 1) {
      expect(all[i]!.modseq).toBeGreaterThanOrEqual(all[i - 1]!.modseq);
    }
    expect((await view.status(account.inbox)).messages).toBe(80);
  });

  test('refuses a mailbox that is not there, alone in its batch', async () => {
    const { account, view } = await newAccount(one);
    const gone = await view.create('gone', actor);
    await view.remove('gone', actor);
    const results = await Promise.allSettled([
      append(one, account, account.inbox),
      append(one, account, gone.id!),
      append(one, account, account.inbox),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: { code: 'mailbox.unknown' } });
  });
});

describe('store', () => {
  test('folds +F, -F, +F of one batch in order of arrival', async () => {
    const { account, view } = await newAccount(one);
    await append(one, account, account.inbox);
    const open = await view.open(account.inbox, 'read-write');
    const store = (op: 'add' | 'remove' | 'set', ...flags: string[]) =>
      open.store({ uids: uids(1), op, flags, actor });
    await Promise.all([
      store('add', '\\Flagged'),
      store('remove', '\\Flagged'),
      store('add', '\\Flagged'),
    ]);
    await open.changes();
    expect(open.flagNames(inView(open)[0]!.flags)).toEqual(['\\Flagged']);
    await Promise.all([store('set', '\\Seen'), store('add', '\\Draft'), store('remove', '\\Seen')]);
    await open.changes();
    expect(open.flagNames(inView(open)[0]!.flags)).toEqual(['\\Draft']);
    expect(inView(open)).toEqual(await inRows(account.inbox));
    open.close();
  });

  test('gives a modseq only to rows that change and reports those alone', async () => {
    const { account, view } = await newAccount(one);
    await appendMany(one, account, account.inbox, 3);
    const open = await view.open(account.inbox, 'read-write');
    await open.store({ uids: uids(2), op: 'add', flags: ['\\Seen'], actor });
    const before = await inRows(account.inbox);
    const { changed } = await open.store({
      uids: uids(1, 2, 3),
      op: 'add',
      flags: ['\\seen'],
      actor,
    });
    expect(changed.map(({ uid }) => uid)).toEqual([1, 3]);
    const after = await inRows(account.inbox);
    expect(after[1]).toEqual(before[1]);
    const nothing = await open.store({ uids: uids(1, 2, 3), op: 'add', flags: ['\\Seen'], actor });
    expect(nothing).toEqual({ changed: [], modified: [] });
    expect(await inRows(account.inbox)).toEqual(after);
    expect(await view.status(account.inbox)).toMatchObject({ unseen: 0 });
    open.close();
  });

  test('two processes that store at once lose nothing, and modseq is strictly monotone', async () => {
    const { account, view } = await newAccount(one);
    await appendMany(one, account, account.inbox, 10);
    const first = await view.open(account.inbox, 'read-write');
    const other = await (
      await two.service.openAccount(account, grant)
    ).open(account.inbox, 'read-write');
    const list = uids(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    const modseqs: number[] = [];
    const run = async (open: MailboxView, flag: string) => {
      for (let i = 0; i < 15; i += 1) {
        const op = i % 2 === 0 ? 'add' : 'remove';
        const { changed } = await open.store({ uids: list, op, flags: [flag], actor });
        expect(changed).toHaveLength(10);
        expect(new Set(changed.map(({ modseq }) => modseq)).size).toBe(1);
        modseqs.push(changed[0]!.modseq);
      }
    };
    await Promise.all([
      run(first, '\\Flagged'),
      run(other, '\\Answered'),
      run(first, '$One'),
      run(other, '$Two'),
    ]);
    const rows = await inRows(account.inbox);
    await first.changes();
    await other.changes();
    for (const open of [first, other]) {
      expect(inView(open)).toEqual(rows);
      for (const { flags } of rows) {
        expect(open.flagNames(flags).sort()).toEqual(
          ['$One', '$Two', '\\Answered', '\\Flagged'].sort(),
        );
      }
    }
    expect(rows.every(({ flags }) => hasBit(flags, 1) && hasBit(flags, 2))).toBe(true);
    expect(Math.max(...modseqs)).toBe((await view.status(account.inbox)).highestModSeq);
    first.close();
    other.close();
  });

  test('UNCHANGEDSINCE: of many that race on one modseq exactly one wins', async () => {
    const { account, view } = await newAccount(one);
    const { modseq } = await append(one, account, account.inbox);
    const open = await view.open(account.inbox, 'read-write');
    const other = await (
      await two.service.openAccount(account, grant)
    ).open(account.inbox, 'read-write');
    const results = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        (i % 2 === 0 ? open : other).store({
          uids: uids(1),
          op: 'add',
          flags: [`$k${i}`],
          unchangedSince: modseq,
          actor,
        }),
      ),
    );
    const winners = results.filter(({ changed }) => changed.length === 1);
    expect(winners).toHaveLength(1);
    expect(results.filter(({ modified }) => modified[0] === 1)).toHaveLength(11);
    await open.changes();
    expect(open.flagNames(inView(open)[0]!.flags)).toHaveLength(1);
    open.close();
    other.close();
  });

  test('UNCHANGEDSINCE in one batch sees what the stores before it did', async () => {
    const { account, view } = await newAccount(one);
    await appendMany(one, account, account.inbox, 2);
    const open = await view.open(account.inbox, 'read-write');
    const since = open.snapshot().highestModSeq;
    const [, late, noChange] = await Promise.all([
      open.store({ uids: uids(1), op: 'add', flags: ['\\Seen'], actor }),
      open.store({
        uids: uids(1, 2),
        op: 'add',
        flags: ['\\Flagged'],
        unchangedSince: since,
        actor,
      }),
      open.store({ uids: uids(2), op: 'remove', flags: ['\\Draft'], unchangedSince: since, actor }),
    ]);
    expect(late.modified).toEqual([1]);
    expect(late.changed.map(({ uid }) => uid)).toEqual([2]);
    expect(noChange.modified).toEqual([2]);
    open.close();
  });

  test('does not report its own changes again, but those of others and later ones', async () => {
    const { account, view } = await newAccount(one);
    await appendMany(one, account, account.inbox, 2);
    const open = await view.open(account.inbox, 'read-write');
    const other = await view.open(account.inbox, 'read-write');
    await open.store({ uids: uids(1), op: 'add', flags: ['\\Seen'], actor });
    expect(await open.changes()).toEqual([]);
    expect(await other.changes()).toMatchObject([
      { kind: 'flags', messages: [{ uid: 1, seq: 1, flags: 1 }] },
    ]);
    await open.store({ uids: uids(1), op: 'add', flags: ['\\Draft'], actor });
    await other.store({ uids: uids(1), op: 'add', flags: ['\\Flagged'], actor });
    expect(await open.changes()).toMatchObject([
      { kind: 'flags', messages: [{ uid: 1, flags: 21 }] },
    ]);
    open.close();
    other.close();
  });

  test('a read-only view changes nothing', async () => {
    const { account, view } = await newAccount(one);
    await append(one, account, account.inbox, { flags: 8 });
    const open = await view.open(account.inbox, 'read-only');
    const denied = { code: 'access.denied' };
    await expect(open.store({ uids: uids(1), op: 'add', flags: [], actor })).rejects.toMatchObject(
      denied,
    );
    await expect(open.expunge({ actor })).rejects.toMatchObject(denied);
    await expect(open.move({ uids: uids(1), to: account.inbox, actor })).rejects.toMatchObject(
      denied,
    );
    open.close();
  });
});

describe('keywords', () => {
  test('get 47 bits, equal in any case, and then no more', async () => {
    const { account, view } = await newAccount(one);
    await append(one, account, account.inbox);
    const open = await view.open(account.inbox, 'read-write');
    const names = Array.from({ length: 47 }, (_, i) => `$label${i}`);
    await open.store({ uids: uids(1), op: 'set', flags: [...names, '$LABEL3'], actor });
    await open.changes();
    expect(open.keywords()).toHaveLength(47);
    expect(open.flagNames(inView(open)[0]!.flags)).toEqual(names);
    expect(open.keywordsLeft).toBe(false);
    const more = open.store({ uids: uids(1), op: 'add', flags: ['$more'], actor });
    await expect(more).rejects.toMatchObject({ code: 'limit.reached' });
    const bad = open.store({ uids: uids(1), op: 'add', flags: ['no good'], actor });
    await expect(bad).rejects.toMatchObject({ code: 'mailbox.name' });
    await open.store({ uids: uids(1), op: 'remove', flags: ['$unknown', '$label0'], actor });
    await open.changes();
    expect(open.flagNames(inView(open)[0]!.flags)).toEqual(names.slice(1));
    open.close();
  });

  test('two processes that use one first at once agree on its bit', async () => {
    const { account, view } = await newAccount(one);
    const away = await two.service.openAccount(account, grant);
    const bits = await Promise.all([
      view.flagBits(account.inbox, ['$a', '$b'], actor),
      away.flagBits(account.inbox, ['$b', '$a'], actor),
      view.flagBits(account.inbox, ['$b'], actor),
    ]);
    expect(bits[0]).toBe(bits[1]);
    expect([32, 64]).toContain(bits[2]);
  });

  test('are nowhere in the database in clear', async () => {
    const { account, view } = await newAccount(one);
    await append(one, account, account.inbox);
    await view.create('CanaryFolder', actor);
    const open = await view.open(account.inbox, 'read-write');
    await open.store({ uids: uids(1), op: 'add', flags: ['CanaryKeyword'], actor });
    open.close();
    const { rows } = await stage.db.database.pool.query<{ text: string }>(
      `SELECT b::text AS text FROM mailbox b UNION ALL SELECT k::text FROM keyword k
       UNION ALL SELECT convert_from(body, 'UTF8') FROM audit_inbox, unnest(bodies) AS body`,
    );
    const hex = Buffer.from('Canary').toString('hex');
    expect(rows.length).toBeGreaterThan(5);
    for (const { text } of rows) expect(text.includes('Canary') || text.includes(hex)).toBe(false);
  });
});

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
    const other = await (
      await two.service.openAccount(account, grant)
    ).open(account.inbox, 'read-write');
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
    expect(inView(inbox)).toEqual(await inRows(account.inbox));
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
    const other = await (
      await two.service.openAccount(account, grant)
    ).open(account.inbox, 'read-write');
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
  expect(inView(open)).toEqual(await inRows(account.inbox));
  const { rows } = await stage.db.database.pool.query<{ parts: number }>(
    `SELECT count(*)::int AS parts FROM audit_inbox, unnest(bodies) AS body
     WHERE convert_from(body, 'UTF8') LIKE '%message.copied%' AND convert_from(body, 'UTF8') LIKE $1`,
    [`%${account.inbox}%`],
  );
  expect(rows[0]!.parts).toBeGreaterThan(1);
  expect(2 as ModSeq).toBeLessThan(open.snapshot().highestModSeq);
  open.close();
});
