// Persons and roles on a real database: what is refused, what races, what is in the ledger.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomBytes, randomUUID } from 'node:crypto';
import { createFirstAdministrators } from '../../src/access/first-run.ts';
import { createPersons } from '../../src/access/persons.ts';
import type { OrganisationId } from '../../src/kernel/ids.ts';
import { createEventSealer } from '../../src/ledger/event/event-sealer.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import { type AccessStage, atSocket, openAccessStage, passwordOf } from './stage.ts';

let stage: AccessStage;
beforeAll(async () => {
  stage = await openAccessStage();
}, 60_000);
afterAll(() => stage.close());

const make = (name: string, ...roles: Parameters<AccessStage['person']>[1][]) =>
  stage.persons.create({ name, fullName: `Full ${name}`, roles }, systemActor);

describe('the first start', () => {
  test('makes three separated administrators, goes on where it broke, and never makes them twice', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'postseal-first-'));
    const file = join(folder, 'first-run.txt');
    // What a crash may leave: a password whose person does not exist yet, and half a line.
    writeFileSync(file, 'sysadmin one-time-password-of-before\nsecadm', { mode: 0o600 });
    expect(await createFirstAdministrators(stage.persons, file)).toEqual([
      'sysadmin',
      'secadmin',
      'auditadmin',
    ]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const lines = readFileSync(file, 'utf8').split('\n');
    for (const name of ['sysadmin', 'secadmin', 'auditadmin']) {
      const password = lines.findLast((line) => line.startsWith(`${name} `))?.split(' ')[1] ?? '';
      const session = await stage.signIn.person(name, Secret.fromText(password), atSocket);
      expect(session.mustChange).toBe(true);
      expect(session.person.roles).toHaveLength(1);
    }
    const before = readFileSync(file, 'utf8');
    expect(before).toContain('sysadmin one-time-password-of-before\n');
    expect(await createFirstAdministrators(stage.persons, file)).toEqual([]);
    expect(readFileSync(file, 'utf8')).toBe(before);
    rmSync(folder, { recursive: true });
  });
});

describe('creating', () => {
  test('stores name and roles, forces a change of the one-time password, names nobody in the ledger', async () => {
    const events = await stage.eventsOf(() => make('Wilhelmina.Q', 'legal-officer', 'reviewer'));
    expect(events.map(({ op, out }) => `${op} ${out}`).sort()).toEqual([
      'person.created success',
      'role.assigned success',
      'role.assigned success',
    ]);
    expect(events.map(({ text }) => text).join('\n')).not.toMatch(/wilhelmina/i);
    const person = await stage.persons.find('WILHELMINA.q');
    expect(person).toMatchObject({ name: 'wilhelmina.q', state: 'active' });
    expect([...person.roles].sort()).toEqual(['legal-officer', 'reviewer']);
    expect((await stage.persons.list()).map(({ name }) => name)).toContain('wilhelmina.q');
  });

  test.each([
    ['', 'person.name'],
    ['-dash', 'person.name'],
    ['with blank', 'person.name'],
    ['new\nline', 'person.name'],
    ['名字', 'person.name'],
    ['a'.repeat(64), 'person.name'],
  ])('refuses the name %j', async (name, code) => {
    await expect(make(name)).rejects.toMatchObject({ code });
  });

  test('refuses conflicting roles and leaves nothing behind', async () => {
    await expect(make('conflicted', 'system-admin', 'audit-admin')).rejects.toMatchObject({
      code: 'role.conflict',
    });
    await expect(stage.persons.find('conflicted')).rejects.toMatchObject({
      code: 'person.unknown',
    });
  });

  test('one of two who create the same name at once loses', async () => {
    const both = await Promise.allSettled([make('twice'), make('twice')]);
    const lost = both.filter((result) => result.status === 'rejected');
    expect(lost).toHaveLength(1);
    expect(lost[0]?.reason).toMatchObject({ code: 'person.exists' });
    await expect(make('TWICE')).rejects.toMatchObject({ code: 'person.exists' });
  });
});

describe('roles', () => {
  test('are given and taken, each with its event, and stay in the table for the record', async () => {
    await make('changes');
    const given = await stage.eventsOf(() => stage.persons.assign('changes', 'dpo', systemActor));
    expect(given.map(({ op, f }) => [op, f['role']])).toEqual([['role.assigned', 'dpo']]);
    await expect(stage.persons.assign('changes', 'dpo', systemActor)).rejects.toMatchObject({
      code: 'role.unchanged',
    });
    const taken = await stage.eventsOf(() => stage.persons.remove('changes', 'dpo', systemActor));
    expect(taken.map(({ op }) => op)).toEqual(['role.removed']);
    await expect(stage.persons.remove('changes', 'dpo', systemActor)).rejects.toMatchObject({
      code: 'role.unchanged',
    });
    const { id, roles } = await stage.persons.find('changes');
    expect(roles).toEqual([]);
    const { rows } = await stage.db.database.pool.query(
      'SELECT role, active, removed_at IS NOT NULL AS ended FROM role_assignment WHERE person_id = $1',
      [id],
    );
    expect(rows).toEqual([{ role: 'dpo', active: false, ended: true }]);
  });

  test.each([0, 1, 2, 3])(
    'two changes that conflict only together: exactly one wins (round %i)',
    async (round) => {
      const name = `racer${round}`;
      await make(name);
      const rivals = ['system-admin', 'audit-admin', 'security-admin', 'dpo'] as const;
      const events = await stage.eventsOf(async () => {
        const results = await Promise.allSettled(
          rivals.map((role) => stage.persons.assign(name, role, systemActor)),
        );
        const lost = results.filter((result) => result.status === 'rejected');
        expect(lost.map(({ reason }) => (reason as { code: string }).code)).toEqual([
          'role.conflict',
          'role.conflict',
          'role.conflict',
        ]);
      });
      expect((await stage.persons.find(name)).roles).toHaveLength(1);
      // The losers' events are rolled back with their rows.
      expect(events.filter(({ op }) => op === 'role.assigned')).toHaveLength(1);
    },
  );

  test('two processes race as one does: the row lock decides, not the process', async () => {
    const other = createPersons({
      ...stage.services,
      approvals: stage.approvals,
      sealer: createEventSealer({
        node: 'other',
        boot: randomUUID(),
        organisation: randomUUID() as string as OrganisationId,
        component: 'test',
        clock: stage.services.clock,
        random: randomBytes,
      }),
    });
    await make('contested');
    const results = await Promise.allSettled([
      stage.persons.assign('contested', 'security-admin', systemActor),
      other.assign('contested', 'system-admin', systemActor),
    ]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await stage.persons.find('contested')).roles).toHaveLength(1);
  });

  test('the last holder of an administrator’s role keeps it, enabled, until there is another one', async () => {
    const role = 'audit-admin';
    const { persons } = stage;
    for (const held of (await persons.list()).filter(({ roles }) => roles.includes(role))) {
      await persons.remove(held.name, role, systemActor).catch(() => undefined);
    }
    const [last, ...more] = (await persons.list()).filter(({ roles }) => roles.includes(role));
    if (last === undefined) throw new Error('there is none left');
    expect(more).toEqual([]);
    const refused = { code: 'role.last-holder', fields: { role } };
    const events = await stage.eventsOf(async () => {
      await expect(persons.remove(last.name, role, systemActor)).rejects.toMatchObject(refused);
      await expect(persons.setState(last, 'disabled', systemActor)).rejects.toMatchObject(refused);
    });
    expect(events).toEqual([]);
    // Somebody who may not sign in is nobody to leave the office to.
    await make('heir');
    const heir = await persons.assign('heir', role, systemActor);
    await persons.setState(heir, 'disabled', systemActor);
    await expect(persons.remove(last.name, role, systemActor)).rejects.toMatchObject(refused);
    await persons.setState(await persons.find('heir'), 'active', systemActor);
    expect((await persons.setState(last, 'disabled', systemActor)).state).toBe('disabled');
    await expect(persons.remove('heir', role, systemActor)).rejects.toMatchObject(refused);
    // The role of somebody who is shut out may go.
    expect((await persons.remove(last.name, role, systemActor)).roles).toEqual([]);
  });

  test.each([0, 1, 2])(
    'of the last two holders one stays, however both go at once (round %i)',
    async (round) => {
      const role = 'audit-admin';
      const [left, right] = [`left${String(round)}`, `right${String(round)}`];
      const names: readonly string[] = [left, right];
      for (const name of names) {
        await make(name);
        await stage.persons.assign(name, role, systemActor);
      }
      for (const { name, roles } of await stage.persons.list()) {
        if (!roles.includes(role) || names.includes(name)) continue;
        await stage.persons.remove(name, role, systemActor);
      }
      const results = await Promise.allSettled([
        stage.persons.remove(left, role, systemActor),
        stage.persons.setState(await stage.persons.find(right), 'disabled', systemActor),
      ]);
      const lost = results.filter((result) => result.status === 'rejected');
      expect(lost.map(({ reason }) => (reason as { code: string }).code)).toEqual([
        'role.last-holder',
      ]);
    },
  );

  test('an unknown person is an error, not a new one', async () => {
    await expect(stage.persons.assign('nobody', 'dpo', systemActor)).rejects.toMatchObject({
      code: 'person.unknown',
    });
  });
});

describe('passwords of persons', () => {
  test('a new one ends every session and the old password; its event names the person by id alone', async () => {
    const first = await stage.person('changer', 'records-manager');
    const second = await stage.signIn.person(
      'changer',
      Secret.fromText(passwordOf('changer')),
      atSocket,
    );
    const events = await stage.eventsOf(() =>
      stage.persons.setPassword(
        first.person,
        Secret.fromText('another long password'),
        systemActor,
      ),
    );
    expect(events.map(({ op, obj }) => [op, obj])).toEqual([
      ['person.password-set', [{ t: 'per', id: first.person.id }]],
    ]);
    expect(events[0]?.text).not.toContain('another long');
    expect(await stage.signIn.personSession(first.token)).toBeUndefined();
    expect(await stage.signIn.personSession(second.token)).toBeUndefined();
    await expect(
      stage.signIn.person('changer', Secret.fromText(passwordOf('changer')), atSocket),
    ).rejects.toMatchObject({ code: 'access.credentials' });
    const again = await stage.signIn.person(
      'changer',
      Secret.fromText('another long password'),
      atSocket,
    );
    expect(again.mustChange).toBe(false);
  });

  test('a short one is refused and changes nothing', async () => {
    const by = await stage.person('short');
    await expect(
      stage.persons.setPassword(by.person, Secret.fromText('short'), systemActor),
    ).rejects.toMatchObject({ code: 'access.password-policy' });
    expect(await stage.signIn.personSession(by.token)).toBeDefined();
  });
});
