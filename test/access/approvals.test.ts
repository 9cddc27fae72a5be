// Four eyes on a real database: who may propose, who may decide, what an approval is good for, and for
// how long. The end is a person's reset, as it goes through the routes.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { approvalRoutes } from '../../src/access/routes/approval-routes.ts';
import { createDispatch } from '../../src/access/routes/dispatch.ts';
import { personRoutes } from '../../src/access/routes/person-routes.ts';
import type { PersonSession } from '../../src/access/person-actor.ts';
import { PostsealError } from '../../src/kernel/errors.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import { withEvents } from '../../src/ledger/event/inbox.store.ts';
import { type AccessStage, atSocket, openAccessStage, passwordOf } from './stage.ts';

type Someone = PersonSession & { readonly token: string };

let stage: AccessStage;
let security: Someone;
let otherSecurity: Someone;
let system: Someone;
let audit: Someone;
let custodian: Someone;
beforeAll(async () => {
  stage = await openAccessStage();
  security = await stage.person('sec', 'security-admin');
  otherSecurity = await stage.person('sec2', 'security-admin');
  system = await stage.person('sys', 'system-admin');
  audit = await stage.person('aud', 'audit-admin');
  custodian = await stage.person('key', 'key-custodian');
}, 60_000);
afterAll(() => stage.close());

const subject = { person: '00000000-0000-4000-8000-000000000001' };
const proposal = () => stage.approvals.propose('person.reset', subject, security);

/** Uses an approval as an act would, in a transaction of its own. */
function use(
  id: string,
  act: 'person.reset' | 'key.destroy' = 'person.reset',
  of: object = subject,
) {
  const draft = {
    op: 'approval.used',
    outcome: 'success',
    actor: systemActor,
    objects: [{ t: 'apr', id }],
  } as const;
  const { database, sealer } = stage.services;
  return withEvents(database, sealer, [draft], async (client, [event]) => {
    if (event === undefined) throw new PostsealError('internal');
    await stage.approvals.use(client, { id, act, subject: of as typeof subject }, event.id);
  });
}

/** Moves an approval's times into the past, as if so many hours had gone by. */
function age(id: string, column: 'proposed_at' | 'decided_at', hours: number): Promise<unknown> {
  const draft = {
    op: 'approval.used',
    outcome: 'success',
    actor: systemActor,
    objects: [{ t: 'apr', id }],
  } as const;
  const { database, sealer } = stage.services;
  return withEvents(database, sealer, [draft], (client, [event]) =>
    client.query(
      `UPDATE approval SET ${column} = ${column} - make_interval(hours => $2), event_id = $3
        WHERE approval_id = $1`,
      [id, hours, event?.id],
    ),
  );
}

describe('proposing', () => {
  test('is for the roles of the table', async () => {
    await expect(stage.approvals.propose('person.reset', subject, audit)).rejects.toMatchObject({
      code: 'access.denied',
    });
    const events = await stage.eventsOf(proposal);
    expect(events.map(({ op, act, f }) => [op, act.role, f])).toEqual([
      ['approval.proposed', 'security-admin', { act: 'person.reset' }],
    ]);
  });
});

describe('deciding', () => {
  test('nobody decides on their own proposal, also when their role would allow it', async () => {
    const { id } = await proposal();
    for (const grant of [true, false]) {
      await expect(stage.approvals.decide(id, { grant }, security)).rejects.toMatchObject({
        code: 'approval.self',
      });
    }
    expect((await stage.approvals.decide(id, { grant: true }, otherSecurity)).state).toBe(
      'granted',
    );
  });

  test('nobody decides on an act about themselves', async () => {
    const about = { person: system.person.id };
    const { id } = await stage.approvals.propose('person.reset', about, security);
    await expect(stage.approvals.decide(id, { grant: true }, system)).rejects.toMatchObject({
      code: 'approval.subject',
    });
    expect((await stage.approvals.decide(id, { grant: true }, audit)).state).toBe('granted');
  });

  test('the database itself refuses a proposer who decides', async () => {
    const { id } = await proposal();
    const draft = {
      op: 'approval.granted',
      outcome: 'success',
      actor: systemActor,
      objects: [{ t: 'apr', id }],
    } as const;
    const { database, sealer } = stage.services;
    await expect(
      withEvents(database, sealer, [draft], (client, [event]) =>
        client.query(
          `UPDATE approval SET state = 'granted', decided_by = $2, event_id = $3 WHERE approval_id = $1`,
          [id, security.person.id, event?.id],
        ),
      ),
    ).rejects.toThrow();
    expect((await stage.approvals.list('proposed')).map((found) => found.id)).toContain(id);
  });

  test('a role that the table does not name may not, and an unknown id is an error', async () => {
    const { id } = await proposal();
    await expect(stage.approvals.decide(id, { grant: true }, custodian)).rejects.toMatchObject({
      code: 'access.denied',
    });
    await expect(
      stage.approvals.decide('00000000-0000-4000-8000-00000000000f', { grant: true }, system),
    ).rejects.toMatchObject({ code: 'approval.unknown' });
  });

  test('is done once, with its reason, and the event names the role in which it was decided', async () => {
    const { id } = await proposal();
    const events = await stage.eventsOf(() =>
      stage.approvals.decide(id, { grant: false, reason: 'not today' }, system),
    );
    expect(events.map(({ op, act }) => [op, act.role])).toEqual([
      ['approval.denied', 'system-admin'],
    ]);
    expect(events[0]?.text).not.toContain('not today');
    expect((await stage.approvals.list('denied')).find((a) => a.id === id)).toMatchObject({
      decidedBy: system.person.id,
      reason: 'not today',
    });
    await expect(stage.approvals.decide(id, { grant: true }, audit)).rejects.toMatchObject({
      code: 'approval.state',
      fields: { state: 'denied' },
    });
  });

  test('of two who decide at once, one is too late', async () => {
    const { id } = await proposal();
    const results = await Promise.allSettled([
      stage.approvals.decide(id, { grant: true }, system),
      stage.approvals.decide(id, { grant: false }, audit),
    ]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });
});

describe('using', () => {
  test('needs the grant, this act and exactly this subject, and happens once', async () => {
    const { id } = await proposal();
    await expect(use(id)).rejects.toMatchObject({ fields: { state: 'proposed' } });
    await stage.approvals.decide(id, { grant: true }, system);
    await expect(use(id, 'key.destroy')).rejects.toMatchObject({ code: 'approval.unknown' });
    await expect(use(id, 'person.reset', { ...subject, more: 1 })).rejects.toMatchObject({
      code: 'approval.unknown',
    });
    const twice = await Promise.allSettled([use(id), use(id)]);
    expect(twice.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await expect(use(id)).rejects.toMatchObject({ fields: { state: 'used' } });
  });

  test('an act that fails leaves the approval granted', async () => {
    const { id } = await proposal();
    await stage.approvals.decide(id, { grant: true }, system);
    const { database, sealer } = stage.services;
    const draft = {
      op: 'approval.used',
      outcome: 'success',
      actor: systemActor,
      objects: [{ t: 'apr', id }],
    } as const;
    await expect(
      withEvents(database, sealer, [draft], async (client, [event]) => {
        if (event === undefined) throw new PostsealError('internal');
        await stage.approvals.use(client, { id, act: 'person.reset', subject }, event.id);
        throw new PostsealError('store.conflict');
      }),
    ).rejects.toMatchObject({ code: 'store.conflict' });
    await expect(use(id)).resolves.toBeUndefined();
  });

  test('waits for every decision that the act needs, each of another person, and then for its delay', async () => {
    const act = { generation: 1 };
    await expect(stage.approvals.propose('key.destroy', act, system)).rejects.toMatchObject({
      code: 'access.denied',
    });
    await expect(stage.approvals.propose('key.destroy', act, custodian)).rejects.toMatchObject({
      code: 'approval.officers',
      fields: { needs: 3, found: 1 },
    });
    const second = await stage.person('key2', 'key-custodian');
    const third = await stage.person('key3', 'key-custodian');
    const proposer = await stage.person('key1', 'key-custodian');
    const { id } = await stage.approvals.propose('key.destroy', act, proposer);
    const decide = (by: Someone, grant = true) => stage.approvals.decide(id, { grant }, by);
    await expect(decide(security)).rejects.toMatchObject({ code: 'access.denied' });
    expect(await decide(custodian)).toMatchObject({ state: 'proposed', grants: 1, needed: 2 });
    await expect(decide(custodian)).rejects.toMatchObject({ code: 'approval.twice' });
    await expect(use(id, 'key.destroy', act)).rejects.toMatchObject({
      fields: { state: 'proposed' },
    });
    expect(await decide(second)).toMatchObject({ state: 'granted', grants: 2 });
    await expect(decide(third, false)).rejects.toMatchObject({ fields: { state: 'granted' } });
    await expect(use(id, 'key.destroy', act)).rejects.toMatchObject({
      code: 'approval.state',
      fields: { delayHours: 24 },
    });
    await age(id, 'decided_at', 24);
    await expect(use(id, 'key.destroy', act)).resolves.toBeUndefined();
  });

  test('one who denies ends it, and an officer who proposes does not decide', async () => {
    const act = { generation: 2 };
    const fourth = await stage.person('key4', 'key-custodian');
    const fifth = await stage.person('key5', 'key-custodian');
    const { id } = await stage.approvals.propose('key.destroy', act, fourth);
    await expect(stage.approvals.decide(id, { grant: true }, fourth)).rejects.toMatchObject({
      code: 'approval.self',
    });
    await stage.approvals.decide(id, { grant: true }, custodian);
    expect(await stage.approvals.decide(id, { grant: false }, fifth)).toMatchObject({
      state: 'denied',
      grants: 1,
    });
  });

  test('of two who grant at once both count', async () => {
    const proposer = await stage.person('key9', 'key-custodian');
    const { id } = await stage.approvals.propose('key.destroy', { generation: 3 }, proposer);
    const sixth = await stage.person('key6', 'key-custodian');
    await Promise.all(
      [custodian, sixth].map((by) => stage.approvals.decide(id, { grant: true }, by)),
    );
    const found = (await stage.approvals.list('granted')).find((one) => one.id === id);
    expect(found).toMatchObject({ grants: 2, needed: 2 });
  });

  test('neither a proposal nor a grant lives for ever', async () => {
    const [late, unused] = [await proposal(), await proposal()];
    await stage.approvals.decide(unused.id, { grant: true }, system);
    for (const { id } of [late, unused]) await age(id, 'proposed_at', 7 * 24 + 1);
    await expect(stage.approvals.decide(late.id, { grant: true }, system)).rejects.toMatchObject({
      fields: { state: 'expired' },
    });
    await expect(use(unused.id)).rejects.toMatchObject({ fields: { state: 'expired' } });
    const expired = (await stage.approvals.list('expired')).map(({ id }) => id);
    expect(expired).toEqual(expect.arrayContaining([late.id, unused.id]));
    expect((await stage.approvals.list('granted')).map(({ id }) => id)).not.toContain(unused.id);
    const open = await proposal();
    const events = await stage.eventsOf(() => stage.approvals.expire());
    expect(events.map(({ op, obj }) => `${op} ${String(obj[0]?.id)}`).sort()).toEqual(
      [late.id, unused.id].map((id) => `approval.expired ${id}`).sort(),
    );
    expect(await stage.eventsOf(() => stage.approvals.expire())).toEqual([]);
    const rows = await stage.db.database.pool.query<{ state: string }>(
      'SELECT state FROM approval WHERE approval_id = ANY ($1) ORDER BY proposed_at',
      [[late.id, unused.id, open.id]],
    );
    expect(rows.rows.map(({ state }) => state)).toEqual(['expired', 'expired', 'proposed']);
  });
});

describe('what those who decide are shown', () => {
  const call = async (by: Someone, route: string, input: object): Promise<unknown> => {
    const found = approvalRoutes({ ...stage, ...stage.services }).find(
      ({ name }) => name === route,
    );
    if (found === undefined) throw new Error(`no route ${route}`);
    const dispatch = createDispatch({ ...stage.services, signIn: stage.signIn });
    return dispatch(found, { token: by.token, input, ip: 'local' });
  };
  const listed = async (id: string): Promise<unknown> =>
    ((await call(security, 'approval.list', {})) as { id: string }[]).find(
      (found) => found.id === id,
    );

  test('names whom it is about and who proposed and decided it', async () => {
    const { id: person } = await stage.persons.find('sec2');
    const { id } = await stage.approvals.propose('person.reset', { person }, security);
    expect(await listed(id)).toMatchObject({
      about: 'person sec2 (sec2)',
      subject: `{"person":"${person}"}`,
      proposedBy: 'sec',
      decidedBy: null,
    });
    expect(await call(system, 'approval.decide', { id, decision: 'deny' })).toMatchObject({
      id,
      state: 'denied',
      about: 'person sec2 (sec2)',
      proposedBy: 'sec',
      decidedBy: 'sys',
    });
  });

  test('names accounts, tells what has no name as it is, and keeps the order', async () => {
    const account = await stage.account('ann@example.com', 'a password of the account');
    const propose = stage.approvals.propose.bind(stage.approvals);
    const about = { account: account.id };
    const { id: first } = await propose('account.password', about, system);
    const { id: second } = await propose('key.destroy', { generation: 3 }, custodian);
    const { id: third } = await proposal();
    expect(await listed(first)).toMatchObject({ about: 'account ann@example.com' });
    expect(await listed(second)).toMatchObject({ about: 'generation 3', proposedBy: 'key' });
    expect(await listed(third)).toMatchObject({ about: `person ${subject.person}` });
    const shown = (await call(security, 'approval.list', {})) as { id: string }[];
    const kept = await stage.approvals.list();
    expect(shown.map(({ id }) => id)).toEqual(kept.map(({ id }) => id));
  });
});

describe('resetting a person through the routes', () => {
  const call = async (by: Someone, input: object): Promise<Record<string, unknown>> => {
    const dispatch = createDispatch({ ...stage.services, signIn: stage.signIn });
    const reset = personRoutes({ ...stage, ...stage.services, signIn: stage.signIn }).find(
      ({ name }) => name === 'person.reset',
    );
    if (reset === undefined) throw new Error('no route');
    return (await dispatch(reset, { token: by.token, input, ip: 'local' })) as Record<
      string,
      unknown
    >;
  };

  test('two persons are needed; the old password and sessions end, the new one must be changed', async () => {
    const victim = await stage.person('forgetful', 'legal-officer');
    const { proposed } = (await call(security, { name: 'forgetful' })) as {
      proposed: { id: string };
    };
    const approval = proposed.id;
    await expect(call(security, { name: 'forgetful', approval })).rejects.toMatchObject({
      code: 'approval.state',
    });
    await stage.approvals.decide(approval, { grant: true }, system);
    // An approval for one person is none for another.
    await expect(call(security, { name: 'key', approval })).rejects.toMatchObject({
      code: 'approval.unknown',
    });
    const events = await stage.eventsOf(async () => {
      const { oneTimePassword } = await call(security, { name: 'forgetful', approval });
      expect(await stage.signIn.personSession(victim.token)).toBeUndefined();
      await expect(
        stage.signIn.person('forgetful', Secret.fromText(passwordOf('forgetful')), atSocket),
      ).rejects.toMatchObject({ code: 'access.credentials' });
      const password = Secret.fromText(String(oneTimePassword));
      const session = await stage.signIn.person('forgetful', password, atSocket);
      expect(session.mustChange).toBe(true);
    });
    expect(events.map(({ op }) => op)).toEqual([
      'person.reset',
      'approval.used',
      'session.sign-in-failed',
      'session.signed-in',
    ]);
    expect(events[0]?.obj).toEqual([
      { t: 'per', id: victim.person.id },
      { t: 'apr', id: approval },
    ]);
    await expect(call(security, { name: 'forgetful', approval })).rejects.toMatchObject({
      fields: { state: 'used' },
    });
  });

  test('the system administrator resets the security administrator and nobody else', async () => {
    const denied = await stage.eventsOf(() =>
      expect(call(system, { name: 'key' })).rejects.toMatchObject({ code: 'access.denied' }),
    );
    expect(denied.map(({ op, out, f }) => [op, out, f['route']])).toEqual([
      ['access.denied', 'denied', 'person.reset'],
    ]);
    const { proposed } = (await call(system, { name: 'sec2' })) as { proposed: { id: string } };
    await stage.approvals.decide(proposed.id, { grant: true }, audit);
    const { oneTimePassword } = await call(system, { name: 'sec2', approval: proposed.id });
    expect(oneTimePassword).toMatch(/^\w{24}$/);
  });
});
