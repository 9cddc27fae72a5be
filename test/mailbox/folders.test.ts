// Accounts and folders on a real PostgreSQL: names, trees, subscriptions, and what two processes do at once.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { CustodianId } from '../../src/kernel/ids.ts';
import type { AccountView } from '../../src/mailbox/types.ts';
import {
  actor,
  append,
  appendMany,
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

const defaults = ['INBOX', 'Archive', 'Drafts', 'Junk', 'Sent', 'Trash'];
const names = async (view: AccountView) => (await view.folders()).map(({ name }) => name);
const mailboxes = async (view: AccountView) =>
  (await view.folders()).filter(({ id }) => id !== undefined).map(({ name }) => name);
const code = (text: string) => ({ code: text });

/** Events that name the account, in their order: its creation and the sign-in of `newAccount` first. */
async function opsAbout(account: string): Promise<string[]> {
  const { rows } = await stage.db.database.pool.query<{ op: string }>(
    `SELECT convert_from(b.body, 'UTF8')::jsonb ->> 'op' AS op
       FROM audit_inbox i, unnest(i.bodies) WITH ORDINALITY AS b (body, n)
      WHERE convert_from(b.body, 'UTF8')::jsonb -> 'obj' @> jsonb_build_array(jsonb_build_object('t', 'acc', 'id', $1::text))
      ORDER BY i.id, b.n`,
    [account],
  );
  return rows.map(({ op }) => op);
}

describe('accounts', () => {
  test('start with INBOX and folders of special use, all subscribed', async () => {
    const { account, view } = await newAccount(one);
    const folders = await view.folders();
    expect(folders.map(({ name }) => name)).toEqual(defaults);
    expect(folders.map(({ specialUse }) => specialUse)).toEqual([
      undefined,
      '\\Archive',
      '\\Drafts',
      '\\Junk',
      '\\Sent',
      '\\Trash',
    ]);
    expect(folders.every(({ subscribed, hasChildren }) => subscribed && !hasChildren)).toBe(true);
    expect(folders[0]!.id).toBe(account.inbox);
    expect(await view.find('inbox')).toEqual(folders[0]);
  });

  test('are found by name in any case, by alias, and with a detail', async () => {
    const { account } = await newAccount(one);
    const { service } = one;
    await service.addAlias({ name: account.name, address: 'Sales@Example.com', actor });
    await service.addAlias({ name: account.name, address: 'sales@example.com', actor });
    expect(await service.findAccount(account.name.toUpperCase())).toEqual(account);
    for (const address of [
      account.name,
      account.name.replace('@', '+news.2@'),
      'SALES@example.COM',
      'sales+x@example.com',
    ]) {
      expect(await service.resolveAddress(address)).toEqual(account);
    }
    expect(await service.resolveAddress('nobody@example.com')).toBeUndefined();
    expect(await service.resolveAddress('+x@example.com')).toBeUndefined();
  });

  test('names and aliases exclude each other, also when made at once', async () => {
    const { account } = await newAccount(one);
    await one.service.addAlias({ name: account.name, address: 'taken@example.com', actor });
    const make = (process: Process, name: string) => process.service.createAccount({ name, actor });
    await expect(make(one, 'TAKEN@example.com')).rejects.toMatchObject(code('account.exists'));
    await expect(make(one, account.name)).rejects.toMatchObject(code('account.exists'));
    const other = await newAccount(one);
    const steal = one.service.addAlias({ name: other.account.name, address: account.name, actor });
    await expect(steal).rejects.toMatchObject(code('account.exists'));
    const race = await Promise.allSettled(
      [one, two, one].map((process) => make(process, 'race@example.com')),
    );
    expect(race.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const bad of ['', 'a b', 'a@b@c', '@x', 'x@', 'a\u0000', 'a'.repeat(300)]) {
      await expect(make(one, bad)).rejects.toMatchObject(code('account.name'));
    }
  });

  test('are disabled without touching custodian or mail', async () => {
    const { account } = await newAccount(one);
    await append(one, account, account.inbox);
    const off = await one.service.disableAccount({ name: account.name, actor });
    expect(off).toEqual({ ...account, state: 'disabled' });
    expect(await two.service.findAccount(account.name)).toEqual(off);
    await append(one, account, account.inbox);
    const unknown = one.service.disableAccount({ name: 'nobody', actor });
    await expect(unknown).rejects.toMatchObject(code('account.unknown'));
  });

  test('are opened again, and a state that is there already is no change', async () => {
    const { account } = await newAccount(one);
    const { name } = account;
    await one.service.disableAccount({ name, actor });
    expect(await two.service.enableAccount({ name, actor })).toEqual(account);
    expect(await two.service.enableAccount({ name, actor })).toEqual(account);
    expect(await one.service.resolveAddress(name)).toEqual(account);
    const ops = await opsAbout(account.id);
    expect(ops.slice(2)).toEqual(['account.disabled', 'account.enabled']);
  });

  test('lose an alias, which another account may then have; never their own name', async () => {
    const [{ account }, { account: other }] = [await newAccount(one), await newAccount(one)];
    const { name } = account;
    const address = 'moving@example.com';
    await one.service.addAlias({ name, address, actor });
    expect(await two.service.listAliases(account)).toEqual([address]);
    expect(await two.service.listAliases(other)).toEqual([]);
    const stolen = one.service.removeAlias({ name: other.name, address, actor });
    await expect(stolen).rejects.toMatchObject(code('account.alias'));
    await one.service.removeAlias({ name, address: 'Moving@Example.com', actor });
    expect(await two.service.resolveAddress(address)).toBeUndefined();
    const again = one.service.removeAlias({ name, address, actor });
    await expect(again).rejects.toMatchObject(code('account.alias'));
    const own = one.service.removeAlias({ name, address: name, actor });
    await expect(own).rejects.toMatchObject(code('account.alias'));
    await two.service.addAlias({ name: other.name, address, actor });
    expect(await one.service.resolveAddress(address)).toEqual(other);
    const ops = await opsAbout(account.id);
    expect(ops.slice(2)).toEqual(['account.alias-added', 'account.alias-removed']);
  });

  test('a second account may share a custodian and keeps folders of its own', async () => {
    const { account } = await newAccount(one);
    const custodian: CustodianId = account.custodian;
    const second = await one.service.createAccount({
      name: 'second@example.com',
      custodian,
      actor,
    });
    expect(second.custodian).toBe(custodian);
    expect(await names(await signIn(one, second))).toEqual(defaults);
    expect(await one.service.listAccounts()).toContainEqual(second);
  });
});

describe('folders', () => {
  test('CREATE makes missing parents and refuses what is there', async () => {
    const { view } = await newAccount(one);
    const made = await view.create('Projekte/Grün/2026/', actor);
    expect(made.name).toBe('Projekte/Grün/2026');
    expect(await mailboxes(view)).toEqual([
      'INBOX',
      'Archive',
      'Drafts',
      'Junk',
      'Projekte',
      'Projekte/Grün',
      'Projekte/Grün/2026',
      'Sent',
      'Trash',
    ]);
    expect(await view.find('Projekte/Gru\u0308n')).toMatchObject({ hasChildren: true });
    await expect(view.create('Projekte/Gru\u0308n', actor)).rejects.toMatchObject(
      code('mailbox.exists'),
    );
    await expect(view.create('inBOX', actor)).rejects.toMatchObject(code('mailbox.exists'));
    expect((await view.create('inbox/Sub', actor)).name).toBe('INBOX/Sub');
    await expect(view.create('X', actor, '\\Sent')).rejects.toMatchObject(code('mailbox.exists'));
    expect((await view.create('Wichtig', actor, '\\Important')).specialUse).toBe('\\Important');
  });

  test.each([
    ['', 'empty'],
    ['/', 'empty'],
    ['a//b', 'empty-level'],
    ['/a', 'empty-level'],
    ['a\u0001b', 'character'],
    ['a\r\nb', 'character'],
    ['a\u202eb', 'character'],
    ['#shared/x', 'namespace'],
    ['x'.repeat(256), 'length'],
    ['日'.repeat(86), 'length'],
    [Array.from({ length: 33 }, () => 'x').join('/'), 'depth'],
  ])('CREATE refuses %j', async (name, reason) => {
    const { view } = await newAccount(one);
    const refused = { code: 'mailbox.name', fields: { reason } };
    await expect(view.create(name, actor)).rejects.toMatchObject(refused);
  });

  test('DELETE leaves children, whose parent is then only a name, and UIDVALIDITY grows on reuse', async () => {
    const { account, view } = await newAccount(one);
    await view.create('a/b', actor);
    const old = (await view.find('a'))!;
    await append(one, account, old.id!);
    const before = await view.status(old.id!);
    const open = await view.open(old.id!, 'read-write');
    await view.remove('a', actor);
    expect(await open.changes()).toEqual([{ kind: 'gone' }]);
    expect(await open.changes()).toEqual([]);
    const late = open.store({ uids: uids(1), op: 'add', flags: ['\\Seen'], actor });
    await expect(late).rejects.toMatchObject(code('mailbox.unknown'));
    expect(await open.facts(uids(1))).toHaveLength(1);
    open.close();
    expect(await view.find('a')).toMatchObject({ id: undefined, hasChildren: true });
    await expect(view.remove('a', actor)).rejects.toMatchObject(code('mailbox.unknown'));
    await expect(view.open(old.id!, 'read-write')).rejects.toMatchObject(code('mailbox.unknown'));
    await expect(view.status(old.id!)).rejects.toMatchObject(code('mailbox.unknown'));
    const again = await view.create('a', actor);
    expect(again.id).not.toBe(old.id);
    const after = await view.status(again.id!);
    expect(after.uidValidity).toBeGreaterThan(before.uidValidity);
    expect(after).toMatchObject({ messages: 0, uidNext: 1 });
    await expect(view.remove('INBOX', actor)).rejects.toMatchObject(code('mailbox.protected'));
    await expect(view.remove('nowhere', actor)).rejects.toMatchObject(code('mailbox.unknown'));
  });

  test('RENAME takes children along, makes parents, and keeps uids', async () => {
    const { account, view } = await newAccount(one);
    await view.create('a/b/c', actor);
    await view.create('ab', actor);
    const c = (await view.find('a/b/c'))!;
    await append(one, account, c.id!);
    await view.rename('a', 'new/place', actor);
    const list = await mailboxes(view);
    expect(list).toEqual(
      expect.arrayContaining(['ab', 'new', 'new/place', 'new/place/b', 'new/place/b/c']),
    );
    expect(list).not.toContain('a');
    expect((await view.find('new/place/b/c'))!.id).toBe(c.id);
    const rename = (from: string, to: string) => view.rename(from, to, actor);
    await expect(rename('new', 'new/below')).rejects.toMatchObject(code('mailbox.name'));
    await expect(rename('ab', 'new/place')).rejects.toMatchObject(code('mailbox.exists'));
    await expect(rename('ab', 'inbox')).rejects.toMatchObject(code('mailbox.exists'));
    await expect(rename('nowhere', 'x')).rejects.toMatchObject(code('mailbox.unknown'));
    await rename('new/place', 'new2');
    await rename('ab', 'ab/cd'.replace('/', '-'));
    // A name that is only the parent of a folder can be renamed too.
    await view.remove('new2', actor);
    await rename('new2', 'back');
    expect(await mailboxes(view)).toEqual(expect.arrayContaining(['back/b', 'back/b/c', 'ab-cd']));
    expect((await view.find('back'))!.id).toBeUndefined();
  });

  test('RENAME of a large tree is one operation with events that fit', async () => {
    const { view } = await newAccount(one);
    for (let i = 0; i < 5; i += 1) {
      const below = Array.from({ length: 30 }, (_, level) => `${i}-${level}`).join('/');
      await view.create(`big/${below}`, actor);
    }
    const before = (await mailboxes(view)).filter((name) => name.startsWith('big'));
    expect(before.length).toBeGreaterThan(100);
    await view.rename('big', 'huge', actor);
    const after = (await mailboxes(view)).filter((name) => name.startsWith('huge'));
    expect(after).toEqual(before.map((name) => name.replace('big', 'huge')));
  });

  test('RENAME of INBOX moves its messages and leaves INBOX and what is below it', async () => {
    const { account, view } = await newAccount(one);
    await view.create('INBOX/child', actor);
    await appendMany(one, account, account.inbox, 5);
    await view.rename('inbox', 'Old mail', actor);
    const target = (await view.find('Old mail'))!;
    expect((await view.status(target.id!)).messages).toBe(5);
    expect(await view.status(account.inbox)).toMatchObject({ messages: 0, uidNext: 6 });
    expect(await mailboxes(view)).toEqual(expect.arrayContaining(['INBOX', 'INBOX/child']));
  });

  test('a subscription outlives its mailbox and comes back with the name', async () => {
    const { view } = await newAccount(one);
    await view.create('News', actor);
    await view.subscribe('News', true, actor);
    await view.subscribe('News', true, actor);
    await view.remove('News', actor);
    expect(await view.find('News')).toMatchObject({ id: undefined, subscribed: true });
    const again = await view.create('News', actor);
    expect(again).toMatchObject({ subscribed: true });
    await view.remove('News', actor);
    await view.subscribe('News', false, actor);
    expect(await view.find('News')).toBeUndefined();
    expect((await view.create('News', actor)).subscribed).toBe(false);
    await expect(view.subscribe('Never', true, actor)).rejects.toMatchObject(
      code('mailbox.unknown'),
    );
    await view.subscribe('Never', false, actor);
  });

  test('two processes that change one tree at once leave a whole tree', async () => {
    const { account, view } = await newAccount(one);
    const away = await signIn(two, account);
    const made = await Promise.allSettled(
      [view, away, view, away].map((side) => side.create('same/name', actor)),
    );
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await view.create('p/q/r', actor);
    await Promise.allSettled([
      view.rename('p', 'moved', actor),
      away.create('p/q/new', actor),
      away.rename('p/q', 'elsewhere', actor),
      view.remove('p/q/r', actor),
    ]);
    const tree = await mailboxes(view);
    expect(new Set(tree).size).toBe(tree.length);
    expect(await mailboxes(away)).toEqual(tree);
    for (const name of tree) expect((await away.find(name))!.id).toBeDefined();
  });
});
