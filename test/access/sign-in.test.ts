// Sign-in on a real database: what is answered, what is counted, and what the ledger keeps of it.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createAccountCredentials, passwordSubject } from '../../src/access/account-credentials.ts';
import { createSignIn, type SignInContext } from '../../src/access/sign-in.ts';
import { SignInThrottle } from '../../src/access/throttle.ts';
import { Turns } from '../../src/access/turns.ts';
import { UnknownNames } from '../../src/access/unknown-names.ts';
import type { EventId, KeyId } from '../../src/kernel/ids.ts';
import { Secret } from '../../src/kernel/secret.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import { openSide } from '../../src/ledger/event/side-record.ts';
import { createSideKeyring, sideCipher } from '../../src/vault/keys/side-keyring.ts';
import { type AccessStage, atSocket, openAccessStage, passwordOf } from './stage.ts';

let stage: AccessStage;
beforeAll(async () => {
  stage = await openAccessStage();
}, 60_000);
afterAll(() => stage.close());

const right = 'the right password of ann';
const from = (ip: string): SignInContext => ({
  ip,
  listener: 'imaps',
  tls: true,
  mechanism: 'PLAIN',
});
let addresses = 0;
/** An address that nobody has used yet. */
const fresh = (): SignInContext => {
  addresses += 1;
  return from(`192.0.2.${addresses}`);
};
const signIn = (name: string, password: string, context = fresh()) =>
  stage.signIn.account(name, Secret.fromText(password), context);

describe('an account', () => {
  const name = 'ann@example.com';
  let id: string;
  beforeAll(async () => {
    ({ id } = await stage.account(name, right));
  });

  test('signs in with its password: an event with session, account and custodian, the address sealed', async () => {
    const events = await stage.eventsOf(async () => {
      const signedIn = await signIn(name, right, from('198.51.100.77'));
      expect(signedIn.account.id).toBe(id);
      expect(signedIn.actor).toMatchObject({ role: 'owner', session: signedIn.session });
      await stage.signIn.accountEnded(signedIn, 'logout');
    });
    expect(events.map(({ op, out }) => `${op} ${out}`)).toEqual([
      'session.signed-in success',
      'session.ended success',
    ]);
    const [event] = events;
    expect(event?.obj.map(({ t }) => t)).toEqual(['ses', 'acc', 'cus']);
    expect(event?.f).toMatchObject({ listener: 'imaps', tls: true, mechanism: 'PLAIN' });
    expect(event?.text).not.toContain('198.51.100.77');
    expect(event?.text).not.toContain('ann');
  });

  test.each([
    ['a wrong password', 'the wrong password of ann'],
    ['an empty password', ''],
    ['a password with more behind it', `${right}\0x`],
    ['a very long password', 'x'.repeat(100_000)],
  ])('%s fails, with the account in the event', async (_, password) => {
    stage.throttle.forget(`account:${id}`);
    const events = await stage.eventsOf(() =>
      expect(signIn(name, password)).rejects.toMatchObject({ code: 'access.credentials' }),
    );
    expect(events.map(({ op, out, obj, f }) => [op, out, obj, f['reason']])).toEqual([
      ['session.sign-in-failed', 'denied', [{ t: 'acc', id }], 'credentials'],
    ]);
    expect(events[0]?.act).toMatchObject({ role: 'unknown', p: 'unknown' });
  });

  test('a new password ends the cached one at once', async () => {
    await stage.account('bob@example.com', 'the first password of bob');
    await signIn('bob@example.com', 'the first password of bob');
    const { approvals } = stage;
    const credentials = createAccountCredentials({ ...stage.services, approvals });
    const account = await stage.services.mailboxes.findAccount('bob@example.com');
    if (account === undefined) throw new Error('no account');
    const hash = await credentials.check(Secret.fromText('the second password of bob'));
    await expect(credentials.setFirst(account, hash, systemActor)).rejects.toMatchObject({
      code: 'store.conflict',
    });
    const [system, security] = [
      await stage.person('sys-of-bob', 'system-admin'),
      await stage.person('sec-of-bob', 'security-admin'),
    ];
    const subject = passwordSubject(account);
    const { id } = await approvals.propose('account.password', subject, system);
    await approvals.decide(id, { grant: true }, security);
    await credentials.replace(account, hash, id, systemActor);
    await expect(signIn('bob@example.com', 'the first password of bob')).rejects.toMatchObject({
      code: 'access.credentials',
    });
    await expect(signIn('bob@example.com', 'the second password of bob')).resolves.toBeDefined();
  });

  test('a disabled account fails like a wrong password; only the ledger knows better', async () => {
    await stage.account('gone@example.com', right);
    await signIn('gone@example.com', right);
    await stage.services.mailboxes.disableAccount({ name: 'gone@example.com', actor: systemActor });
    const events = await stage.eventsOf(() =>
      expect(signIn('gone@example.com', right)).rejects.toMatchObject({
        code: 'access.credentials',
      }),
    );
    expect(events.map(({ op, f }) => [op, f['reason']])).toEqual([
      ['session.sign-in-failed', 'disabled'],
    ]);
  });

  test('an account without a password opens to none', async () => {
    await stage.services.mailboxes.createAccount({ name: 'bare@example.com', actor: systemActor });
    await expect(signIn('bare@example.com', '')).rejects.toMatchObject({
      code: 'access.credentials',
    });
    await expect(signIn('bare@example.com', 'a password that nobody has')).rejects.toMatchObject({
      code: 'access.credentials',
    });
  });
});

describe('where a failed try came from', () => {
  const name = 'tried@example.com';
  const ip = '198.51.100.23';
  const tryFrom = (context: SignInContext, tried = name) =>
    expect(signIn(tried, 'a wrong password', context)).rejects.toMatchObject({
      code: 'access.credentials',
    });

  test('is sealed for the account, and hashed for everybody alike', async () => {
    const account = await stage.account(name, right);
    const events = await stage.eventsOf(async () => {
      await tryFrom(from(ip));
      await tryFrom(from(ip), 'nobody@example.com');
      await tryFrom(from('198.51.100.24'));
    });
    const [known, unknown, elsewhere] = events.map(({ f }) => f['from']);
    expect(known).toMatch(/^[0-9a-f]{64}$/);
    expect(unknown).toBe(known);
    expect(elsewhere).not.toBe(known);
    expect(events.map(({ text }) => text).join()).not.toContain('198.51.100');
    const { id, pii } = JSON.parse(events[0]?.text ?? '') as {
      id: EventId;
      pii: { slot: string; commit: string }[];
    };
    expect(pii.map(({ slot }) => slot)).toEqual(['ip']);
    expect(events[1]?.text).not.toContain('"pii"');
    const { rows } = await stage.db.database.pool.query<{ key_id: KeyId; sealed: Buffer }>(
      'SELECT key_id, sealed FROM audit_side WHERE event_id = $1 AND subject = $2',
      [id, account.custodian],
    );
    const keyring = createSideKeyring(stage.services.keys);
    await keyring.load([account.custodian]);
    const { key } = keyring.keyFor(account.custodian) ?? {};
    const [row] = rows;
    if (row === undefined || key === undefined) throw new Error('nothing is sealed');
    const side = { event: id, slot: 'ip', subject: account.custodian, keyId: row.key_id };
    const opened = openSide({ ...side, sealed: row.sealed }, pii[0]?.commit ?? '', key, sideCipher);
    expect(opened).toBe(ip);
  });

  test('is hashed at least while nothing can be sealed', async () => {
    const account = await stage.account('unsealed@example.com', right);
    await stage.stopKeys();
    const events = await stage.eventsOf(() => tryFrom(from(ip), account.name));
    await stage.startKeys();
    expect(events.map(({ op, obj, f }) => [op, obj, typeof f['from']])).toEqual([
      ['session.sign-in-failed', [{ t: 'acc', id: account.id }], 'string'],
    ]);
  });
});

describe('a name that nobody has', () => {
  const typed = 'my secret password typed into the wrong field';

  test('fails alike and is kept as a hash that counts within the day only', async () => {
    const events = await stage.eventsOf(async () => {
      for (const name of [typed, typed.toUpperCase(), 'another']) {
        await expect(signIn(name, right)).rejects.toMatchObject({ code: 'access.credentials' });
      }
      stage.time.ahead = 86_400_000;
      await expect(signIn(typed, right)).rejects.toMatchObject({ code: 'access.credentials' });
    });
    const hashes = events.map(({ f }) => f['name']);
    expect(hashes).toHaveLength(4);
    expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(hashes[1]).toBe(hashes[0]);
    expect(hashes[2]).not.toBe(hashes[0]);
    expect(hashes[3]).not.toBe(hashes[0]);
    expect(events.every(({ obj }) => obj.length === 0)).toBe(true);
    expect(events.map(({ text }) => text).join()).not.toMatch(/secret|another/i);
  });

  afterAll(() => {
    stage.time.ahead = 0;
  });
});

describe('the lock', () => {
  let round = 0;
  let name: string;
  let id: string;
  beforeEach(async () => {
    round += 1;
    name = `locked${round}@example.com`;
    ({ id } = await stage.account(name, right));
  });
  const fail = (times: number) =>
    Promise.allSettled(Array.from({ length: times }, (_, i) => signIn(name, `wrong ${i}`)));
  const codes = (results: readonly PromiseSettledResult<unknown>[]) =>
    results.map((result) =>
      result.status === 'rejected' ? (result.reason as { code: string }).code : 'in',
    );

  test('falls after three failures, also for the right password, however the name is written, and ends', async () => {
    const events = await stage.eventsOf(async () => {
      for (let i = 0; i < 3; i += 1) await fail(1);
      await expect(signIn(name.toUpperCase(), right)).rejects.toMatchObject({
        code: 'access.locked',
      });
    });
    expect(events.map(({ op, out, f }) => [op, out, f['reason']])).toEqual([
      ['session.sign-in-failed', 'denied', 'credentials'],
      ['session.sign-in-failed', 'denied', 'credentials'],
      ['access.locked', 'success', undefined],
      ['session.sign-in-failed', 'denied', 'credentials'],
      ['session.sign-in-failed', 'denied', 'locked'],
    ]);
    expect(events[2]?.obj).toEqual([{ t: 'acc', id }]);
    stage.time.ahead = 15 * 60_000 + 1_000;
    await expect(signIn(name, right)).resolves.toBeDefined();
    stage.time.ahead = 0;
  });

  test('twenty guesses at once are three guesses', async () => {
    const results = codes(await fail(20)).sort();
    expect(results.filter((code) => code === 'access.credentials')).toHaveLength(3);
    expect(results.filter((code) => code === 'access.locked')).toHaveLength(17);
  });

  test('five connections of one client with the right password all come in', async () => {
    const context = fresh();
    await expect(
      Promise.all(Array.from({ length: 5 }, () => signIn(name, right, context))),
    ).resolves.toHaveLength(5);
  });

  test('a success forgives the failures before it', async () => {
    await fail(2);
    await signIn(name, right);
    await fail(2);
    await expect(signIn(name, right)).resolves.toBeDefined();
  });

  test('failures in other processes count here', async () => {
    const told: string[] = [];
    const other = createSignIn({
      ...stage.services,
      throttle: new SignInThrottle(),
      onFailure: (nameKey, ip) => {
        told.push(nameKey);
        stage.throttle.failed(nameKey, ip, Date.now() as UnixMs);
      },
    });
    for (let i = 0; i < 3; i += 1) {
      await expect(other.account(name, Secret.fromText('wrong'), fresh())).rejects.toMatchObject({
        code: 'access.credentials',
      });
    }
    await expect(signIn(name, right)).rejects.toMatchObject({ code: 'access.locked' });
    expect(told).toEqual(Array.from({ length: 3 }, () => `account:${id}`));
  });

  test('an address that fails with many names must wait; another one need not', async () => {
    const context = fresh();
    for (let i = 0; i < 5; i += 1) {
      await expect(signIn(`guess${i}`, 'wrong', context)).rejects.toMatchObject({
        code: 'access.credentials',
      });
    }
    await expect(signIn(name, right, context)).rejects.toMatchObject({ code: 'access.locked' });
    await expect(signIn(name, right)).resolves.toBeDefined();
  });

  test('at the Unix socket the mistakes of one person stop nobody else', async () => {
    await stage.person('careful', 'dpo');
    for (let i = 0; i < 6; i += 1) {
      await expect(
        stage.signIn.person(`careless${i}`, Secret.fromText('wrong'), atSocket),
      ).rejects.toMatchObject({ code: 'access.credentials' });
    }
    await expect(
      stage.signIn.person('careful', Secret.fromText(passwordOf('careful')), atSocket),
    ).resolves.toBeDefined();
  });
});

describe('sessions of persons', () => {
  test('end on sign-out and when their time is over; roles are read anew each time', async () => {
    const by = await stage.person('guest', 'records-manager');
    expect(await stage.signIn.personSession(by.token)).toMatchObject({
      session: by.session,
      mustChange: false,
      person: { roles: ['records-manager'] },
    });
    await stage.persons.remove('guest', 'records-manager', systemActor);
    expect((await stage.signIn.personSession(by.token))?.person.roles).toEqual([]);
    const events = await stage.eventsOf(() => stage.signIn.personSignOut(by));
    expect(events.map(({ op, obj }) => [op, obj])).toEqual([
      ['session.ended', [{ t: 'ses', id: by.session }]],
    ]);
    expect(await stage.signIn.personSession(by.token)).toBeUndefined();

    const again = await stage.signIn.person(
      'guest',
      Secret.fromText(passwordOf('guest')),
      atSocket,
    );
    await stage.db.database.pool.query(
      `UPDATE person_session SET expires_at = now() - interval '1 second' WHERE session_id = $1`,
      [again.session],
    );
    expect(await stage.signIn.personSession(again.token)).toBeUndefined();
  });

  test('a token is kept nowhere as it is, and none but the whole one opens', async () => {
    const by = await stage.person('token');
    const { rows } = await stage.db.database.pool.query<{ row: string }>(
      'SELECT person_session::text AS row FROM person_session',
    );
    expect(rows.map(({ row }) => row).join()).not.toContain(by.token);
    for (const token of ['', by.token.slice(1), `${by.token}A`, by.session]) {
      expect(await stage.signIn.personSession(token)).toBeUndefined();
    }
  });

  test('the first start leaves a session that needs no change of the one-time password', async () => {
    const { person } = await stage.persons.create(
      { name: 'first', fullName: 'First', roles: ['system-admin'] },
      systemActor,
    );
    const { token } = await stage.signIn.firstStart(person);
    expect(await stage.signIn.personSession(token)).toMatchObject({ mustChange: false });
  });
});

describe('UnknownNames', () => {
  const day = 86_400_000;
  const at = (ms: number): UnixMs => ms as UnixMs;

  test('processes that start from one link agree on every later day', () => {
    const primary = UnknownNames.begin(Buffer.alloc(32, 7), at(0));
    const early = new UnknownNames(primary.today(at(0)));
    const late = new UnknownNames(primary.today(at(3 * day)));
    expect(early.hash('name', at(9 * day))).toBe(late.hash('NAME', at(9 * day + 5)));
    expect(early.hash('name', at(10 * day))).not.toBe(late.hash('name', at(9 * day)));
  });

  test('a clock set back finds no key of yesterday, one set far ahead takes no time', () => {
    const names = UnknownNames.begin(Buffer.alloc(32, 7), at(5 * day));
    const today = names.hash('name', at(5 * day));
    expect(names.hash('name', at(4 * day))).toBe(today);
    const tomorrow = names.hash('name', at(6 * day));
    expect(names.hash('name', at(5 * day))).toBe(tomorrow);
    expect(names.hash('name', at(1e15))).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('Turns', () => {
  test('keeps order within a key, goes on after a failure, and forgets keys', async () => {
    const turns = new Turns();
    const seen: string[] = [];
    const slow = turns.run('a', async () => {
      await new Promise((resolve) => setImmediate(resolve));
      seen.push('first');
      throw new Error('first failed');
    });
    const next = turns.run('a', () => Promise.resolve(seen.push('second')));
    const other = turns.run('b', () => Promise.resolve(seen.push('other')));
    await expect(slow).rejects.toThrow('first failed');
    await Promise.all([next, other]);
    expect(seen).toEqual(['other', 'first', 'second']);
    expect(turns.size).toBe(0);
  });
});
