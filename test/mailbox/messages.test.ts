// Messages on a real PostgreSQL: append, store and keywords, from one process and from two.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hasBit } from '../../src/mailbox/flags/bits.ts';
import type { MailboxView } from '../../src/mailbox/types.ts';
import { sliceWidth } from '../../src/platform/postgres/custodian-slices.ts';
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
    expect(inView(open)).toEqual(await inRows(stage.db, account.inbox));
    open.close();
  });

  test('gives a modseq only to rows that change and reports those alone', async () => {
    const { account, view } = await newAccount(one);
    await appendMany(one, account, account.inbox, 3);
    const open = await view.open(account.inbox, 'read-write');
    await open.store({ uids: uids(2), op: 'add', flags: ['\\Seen'], actor });
    const before = await inRows(stage.db, account.inbox);
    const { changed } = await open.store({
      uids: uids(1, 2, 3),
      op: 'add',
      flags: ['\\seen'],
      actor,
    });
    expect(changed.map(({ uid }) => uid)).toEqual([1, 3]);
    const after = await inRows(stage.db, account.inbox);
    expect(after[1]).toEqual(before[1]);
    const nothing = await open.store({ uids: uids(1, 2, 3), op: 'add', flags: ['\\Seen'], actor });
    expect(nothing).toEqual({ changed: [], modified: [] });
    expect(await inRows(stage.db, account.inbox)).toEqual(after);
    expect(await view.status(account.inbox)).toMatchObject({ unseen: 0 });
    open.close();
  });

  test('two processes that store at once lose nothing, and modseq is strictly monotone', async () => {
    const { account, view } = await newAccount(one);
    await appendMany(one, account, account.inbox, 10);
    const first = await view.open(account.inbox, 'read-write');
    const other = await (await signIn(two, account)).open(account.inbox, 'read-write');
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
    const rows = await inRows(stage.db, account.inbox);
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

  test('one batch takes the changes of more custodians than one statement names', async () => {
    const owners = [];
    for (let i = 0; i < 2 * sliceWidth + 1; i += 1) {
      const { account, view } = await newAccount(one);
      await appendMany(one, account, account.inbox, 2);
      owners.push({ account, open: await view.open(account.inbox, 'read-write') });
    }
    const add = (open: MailboxView, uid: number, flag: string) =>
      open.store({ uids: uids(uid), op: 'add', flags: [flag], actor });
    const answers = await Promise.all(
      owners.flatMap(({ open }) => [add(open, 1, '\\Flagged'), add(open, 2, '\\Answered')]),
    );
    expect(answers.map(({ changed }) => changed.map(({ uid }) => uid))).toEqual(
      owners.flatMap(() => [[1], [2]]),
    );
    for (const { account, open } of owners) {
      const rows = await inRows(stage.db, account.inbox);
      expect(rows.map(({ flags }) => open.flagNames(flags))).toEqual([
        ['\\Flagged'],
        ['\\Answered'],
      ]);
      expect(new Set(rows.map(({ modseq }) => modseq)).size).toBe(1);
      open.close();
    }
  });

  test('UNCHANGEDSINCE: of many that race on one modseq exactly one wins', async () => {
    const { account, view } = await newAccount(one);
    const { modseq } = await append(one, account, account.inbox);
    const open = await view.open(account.inbox, 'read-write');
    const other = await (await signIn(two, account)).open(account.inbox, 'read-write');
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
    const away = await signIn(two, account);
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
