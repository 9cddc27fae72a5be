// Folder trees in the memory of several processes. They have no wire for hints between them and trust what
// they know for a minute, so that nothing but the rules of sealed-trees.ts keeps them right: what one did
// is there for the other once it was acknowledged.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { EventId, SessionId } from '../../src/kernel/ids.ts';
import type { Account, AccountView, Place } from '../../src/mailbox/types.ts';
import { createHintBus } from '../../src/platform/hints/hint-bus.ts';
import {
  actor,
  append,
  newAccount,
  openStage,
  type Process,
  signIn,
  type Stage,
  statementsOf,
  uids,
} from './stage.ts';

let stage: Stage;
let one: Process;
let two: Process;
/** Keeps no tree: what it answers was just read. */
let cold: Process;
beforeAll(async () => {
  stage = await openStage();
  one = await stage.process({ trustMs: 60_000 });
  two = await stage.process({ trustMs: 60_000 });
  cold = await stage.process({ trustMs: 0, treeBytesMax: 0 });
}, 60_000);
afterAll(() => stage.close());

const code = (text: string) => ({ code: text });
const names = async (view: AccountView) => (await view.folders()).map(({ name }) => name);

interface Sides {
  readonly account: Account;
  /** Of process one. */
  readonly here: AccountView;
  /** Of process two, which has seen the whole tree. */
  readonly there: AccountView;
}

async function openSides(...folders: string[]): Promise<Sides> {
  const { account, view: here } = await newAccount(one);
  for (const folder of folders) await here.create(folder, actor);
  const there = await signIn(two, account);
  await there.folders();
  return { account, here, there };
}

type Act = (view: AccountView, name: string) => Promise<string | undefined>;

const selectedId: Act = (view, name) =>
  view.at(name, async ({ id, nameTag }) => {
    const opened = await view.open(id, 'read-write', nameTag);
    opened.close();
    return opened.id;
  });

const countedId: Act = (view, name) =>
  view.at(name, async ({ id, nameTag }) => {
    await view.status(id, { recent: false }, nameTag);
    return id;
  });

const appendedId: Act = async (view, name) =>
  view.at(name, async ({ id, nameTag }) => {
    await append(two, view.account, id, { nameTag });
    return (await view.status(id)).messages > 0 ? id : 'nowhere';
  });

function transferredId(how: 'copy' | 'move'): Act {
  return async (view, name) => {
    const { inbox } = view.account;
    await append(two, view.account, inbox);
    const source = await view.open(inbox, 'read-write');
    const [uid] = source.snapshot().uids;
    const to = await view.at(name, async ({ id, nameTag: toNameTag }) => {
      const input = { uids: uids(uid!), to: id, toNameTag, actor };
      const { from } = await source[how](input);
      return from.length === 1 && (await view.status(id)).messages > 0 ? id : 'nowhere';
    });
    source.close();
    return to;
  };
}

/** Each does something at the mailbox of that name and says which it was; undefined if there is none. */
const acts: [string, Act][] = [
  ['SELECT', selectedId],
  ['STATUS', countedId],
  ['APPEND', appendedId],
  ['COPY', transferredId('copy')],
  ['MOVE', transferredId('move')],
];

describe('what another process did', () => {
  test('is in the next LIST', async () => {
    const { here, there } = await openSides('Old');
    await here.create('New/Below', actor);
    expect(await names(there)).toEqual(await names(here));
    expect(await names(there)).toContain('New/Below');
    await here.rename('New', 'Newer', actor);
    expect(await names(there)).toContain('Newer/Below');
    expect(await names(there)).not.toContain('New');
    await here.subscribe('Old', true, actor);
    expect(await there.find('Old')).toMatchObject({ subscribed: true });
    await here.remove('Old', actor);
    expect(await there.find('Old')).toMatchObject({ id: undefined, subscribed: true });
  });

  test.each(acts)('CREATE is known to %s', async (_, act) => {
    const { here, there } = await openSides();
    const { id } = await here.create('Fresh', actor);
    expect(await act(there, 'Fresh')).toBe(id);
  });

  test.each(acts)('DELETE is known to %s', async (_, act) => {
    const { here, there } = await openSides('A');
    expect(await selectedId(there, 'A')).toBeDefined();
    await here.remove('A', actor);
    expect(await act(there, 'A')).toBeUndefined();
  });

  test.each(acts)('RENAME is known to %s, by both names', async (_, act) => {
    const { here, there } = await openSides('A');
    const before = await selectedId(there, 'A');
    await here.rename('A', 'A2', actor);
    expect(await act(there, 'A')).toBeUndefined();
    await here.rename('A2', 'A3', actor);
    expect(await act(there, 'A3')).toBe(before);
  });

  test.each(acts)('a name that goes over to another folder leads %s there', async (_, act) => {
    const { here, there } = await openSides('A', 'B');
    const [a, b] = [await selectedId(there, 'A'), await selectedId(there, 'B')];
    await here.rename('A', 'swap', actor);
    await here.rename('B', 'A', actor);
    await here.rename('swap', 'B', actor);
    expect(await act(there, 'A')).toBe(b);
    await here.rename('A', 'swap', actor);
    await here.rename('B', 'A', actor);
    expect(await act(there, 'A')).toBe(a);
    await here.remove('A', actor);
    const { id } = await here.create('A', actor);
    expect(await act(there, 'A')).toBe(id);
  });

  test('RENAME disturbs nobody who is in the folder', async () => {
    const { here, there } = await openSides('A');
    const view = await there.open((await there.find('A'))!.id!, 'read-write');
    await here.rename('A', 'B', actor);
    expect(await view.changes({ force: true })).toEqual([]);
    view.close();
  });

  test('no keyword is allotted in a folder that has given its name away', async () => {
    const { here, there } = await openSides('A');
    const { id, nameTag } = (await there.place('A')) as Place;
    await here.rename('A', 'B', actor);
    const bits = there.flagBits(id, ['$Work'], actor, nameTag);
    await expect(bits).rejects.toMatchObject(code('mailbox.unknown'));
    const view = await here.open(id, 'read-only');
    expect(view.keywords()).toEqual([]);
    view.close();
  });

  test('\\Recent is not taken from a folder that was opened under a name it has no more', async () => {
    const { account, here, there } = await openSides('A');
    const { id, nameTag } = (await there.place('A')) as Place;
    expect(await selectedId(there, 'A')).toBe(id);
    await append(two, account, id);
    await here.rename('A', 'B', actor);
    const late = there.open(id, 'read-write', nameTag);
    await expect(late).rejects.toMatchObject(code('mailbox.unknown'));
    expect((await here.status(id)).recent).toBe(1);
  });

  test('is planned upon: nothing is refused or done for what was', async () => {
    const { here, there } = await openSides('A');
    await here.remove('A', actor);
    expect((await there.create('A', actor)).id).toBeDefined();
    await there.create('B', actor);
    await expect(here.create('B', actor)).rejects.toMatchObject(code('mailbox.exists'));
    await there.rename('B', 'C', actor);
    await here.rename('C', 'D', actor);
    await there.subscribe('D', true, actor);
    expect(await here.find('D')).toMatchObject({ subscribed: true });
  });

  test('leaves both with the tree of a process that never looked', async () => {
    const name = fc.constantFrom('a', 'b', 'a/x', 'b/x', 'Sent');
    const step = fc.record({
      who: fc.integer({ min: 0, max: 1 }),
      what: fc.constantFrom('create', 'remove', 'rename', 'subscribe', 'unsubscribe'),
      from: name,
      to: name,
    });
    let done = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 12 }), async (steps) => {
        const { account, here, there } = await openSides();
        const sides = [here, there];
        for (const { who, what, from, to } of steps) {
          const side = sides[who]!;
          const work = {
            create: () => side.create(from, actor),
            remove: () => side.remove(from, actor),
            rename: () => side.rename(from, to, actor),
            subscribe: () => side.subscribe(from, true, actor),
            unsubscribe: () => side.subscribe(from, false, actor),
          }[what];
          await work().then(
            () => (done += 1),
            (error: unknown) => {
              // Some plans cannot be: which ones must not depend on who makes them.
              expect((error as { code: string }).code).toMatch(/^mailbox\.(exists|unknown|name)$/);
            },
          );
          const fresh = await signIn(cold, account);
          const folders = await fresh.folders();
          for (const each of sides) {
            expect(await each.folders()).toEqual(folders);
            for (const wanted of ['a', 'b', 'a/x', 'Sent']) {
              const { id } = folders.find((folder) => folder.name === wanted) ?? {};
              expect(await selectedId(each, wanted)).toBe(id);
            }
          }
          fresh.close();
        }
        for (const each of sides) each.close();
      }),
      { numRuns: 8, seed: 20_261_126 },
    );
    expect(done).toBeGreaterThan(20);
  });
});

describe('a session', () => {
  test('sees its own changes and those of its neighbours at once', async () => {
    const { account, here } = await openSides('A');
    const beside = await signIn(one, account);
    await beside.folders();
    await here.rename('A', 'B', actor);
    expect(await names(beside)).toEqual(await names(here));
    expect(await selectedId(here, 'A')).toBeUndefined();
    expect(await selectedId(beside, 'B')).toBeDefined();
    await beside.remove('B', actor);
    expect(await selectedId(here, 'B')).toBeUndefined();
    const { id } = await here.create('B', actor);
    expect(await selectedId(here, 'B')).toBe(id);
    expect(await selectedId(beside, 'B')).toBe(id);
  });

  test('gets no names that others have opened unless its own sign-in opens them', async () => {
    const { account, here } = await openSides('Secret plans');
    expect(await names(here)).toContain('Secret plans');
    const stranger = await one.service.openAccount(account, {
      session: randomUUID() as SessionId,
      purpose: 'sign-in',
      events: [randomUUID() as EventId],
    });
    const refused = code('key.refused');
    await expect(stranger.folders()).rejects.toMatchObject(refused);
    await expect(stranger.find('Secret plans')).rejects.toMatchObject(refused);
    await expect(stranger.place('Secret plans')).rejects.toMatchObject(refused);
    await expect(selectedId(stranger, 'Secret plans')).rejects.toMatchObject(refused);
    stranger.close();
    // The grant of another account of the same process is none for this one.
    const other = await newAccount(one);
    await other.view.folders();
    expect(await other.view.place('Secret plans')).toBeUndefined();
  });
});

describe('in statements outside of commits', () => {
  test('LIST of a known tree looks at its version, also in another session', async () => {
    const { account, there } = await openSides('A', 'B');
    const beside = await signIn(two, account);
    expect(await statementsOf(two, () => there.folders())).toBe(1);
    expect(await statementsOf(two, () => beside.folders())).toBe(1);
  });

  test('names lead to mailboxes without one, SELECT, EXAMINE and STATUS cost one', async () => {
    const { account, there } = await openSides('A');
    const { id } = (await there.place('A')) as Place;
    await selectedId(there, 'A');
    expect(await statementsOf(two, () => there.place('A'))).toBe(0);
    expect(await statementsOf(two, () => selectedId(there, 'A'))).toBe(1);
    const examine = async () => (await there.open(id, 'read-only')).close();
    expect(await statementsOf(two, examine)).toBe(1);
    expect(await statementsOf(two, () => countedId(there, 'A'))).toBe(1);
    expect(await statementsOf(two, () => there.status(id))).toBe(1);
    expect(await statementsOf(two, () => there.statuses([id, account.inbox]))).toBe(1);
    const fill = () => there.at('A', ({ nameTag }) => append(two, account, id, { nameTag }));
    expect(await statementsOf(two, fill)).toBe(0);
  });

  test('SELECT takes \\Recent in the same one, wherever the mail came in', async () => {
    const [bus, far] = [createHintBus(), createHintBus()];
    far.connect((hints) => {
      bus.receive(hints);
    });
    const near = await stage.process({ hints: bus, trustMs: 60_000 });
    const away = await stage.process({ hints: far, trustMs: 60_000 });
    const { account, view } = await newAccount(near);
    const recentOf = async () => {
      const opened = await view.open(account.inbox, 'read-write');
      opened.close();
      return opened.recentCount;
    };
    expect(await recentOf()).toBe(0);
    for (const process of [near, away]) {
      await append(process, account, account.inbox);
      // A hint goes out in the turn after the commit.
      await new Promise((resolve) => setImmediate(resolve));
      let recent = 0;
      const select = async () => (recent = await recentOf());
      expect(await statementsOf(near, select)).toBe(1);
      expect(recent).toBe(1);
      expect(await recentOf()).toBe(0);
    }
    // Without a hint the read finds it and a second statement takes it.
    await append(two, account, account.inbox);
    expect(await recentOf()).toBe(1);
    expect((await view.status(account.inbox)).recent).toBe(0);
    await near.close();
    await away.close();
  });
});
