import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { IntegrityError } from '../../../src/kernel/errors.ts';
import type { EventId, SessionId } from '../../../src/kernel/ids.ts';
import { createSideKeyring } from '../../../src/vault/keys/side-keyring.ts';
import type { OpenGrant } from '../../../src/vault/keys/types.ts';
import { dekSlot, newId, startRunningService, type RunningService } from './running-service.ts';

let run: RunningService;
beforeAll(async () => {
  run = await startRunningService();
});
afterAll(() => run.close());

const refused = (reason: string) => ({ code: 'key.refused', fields: { reason } });

describe('grants', () => {
  test('opens under an event what it wrapped without one', async () => {
    const custodian = await run.newCustodian();
    const items = Array.from({ length: 1_300 }, (_, i) => ({
      ...dekSlot(custodian, i % 3),
      purpose: (['dek', 'cell', 'page'] as const)[i % 3] ?? 'dek',
      key: randomBytes(32),
    }));
    const wraps = await run.client.wrap(items);
    const grant = await run.readGrant(custodian);
    const keys = await run.client.open(
      grant,
      items.map((item, i) => ({ ...item, wrap: wraps[i]! })),
    );
    expect(keys.map((key, i) => key.equals(items[i]!.key))).not.toContain(false);
    expect(new Set(wraps.map((wrap) => wrap.toString('hex'))).size).toBe(items.length);
  });

  test('refuses what no event, or not this event, allows', async () => {
    const custodian = await run.newCustodian();
    const other = await run.newCustodian();
    const session = newId() as SessionId;
    const slot = dekSlot(custodian);
    const [wrap] = await run.client.wrap([{ ...slot, key: randomBytes(32) }]);
    const item = { ...slot, wrap: wrap! };
    const open = (events: EventId[], more: Partial<OpenGrant> = {}) =>
      run.client.open({ session, purpose: 'owner-read', events, ...more }, [item]);
    const good = await run.commitEvent({ session, custodians: [custodian] });

    expect(await open([good])).toHaveLength(1);
    await expect(open([])).rejects.toMatchObject(refused('missing'));
    await expect(open([newId()])).rejects.toMatchObject(refused('missing'));
    await expect(open([good, newId()])).rejects.toMatchObject(refused('missing'));
    await expect(open([good], { session: newId() })).rejects.toMatchObject(refused('session'));
    await expect(open([good], { purpose: 'owner-search' })).rejects.toMatchObject(
      refused('operation'),
    );
    await expect(open([good], { purpose: 'sign-in' })).rejects.toMatchObject(refused('operation'));
    const denied = await run.commitEvent({ session, custodians: [custodian], outcome: 'denied' });
    await expect(open([denied])).rejects.toMatchObject(refused('operation'));
    const foreign = await run.commitEvent({ session, custodians: [other] });
    await expect(open([foreign])).rejects.toMatchObject(refused('custodian'));
    const nobody = await run.commitEvent({ session, custodians: [] });
    await expect(open([nobody])).rejects.toMatchObject(refused('custodian'));
    const signIn = { session, custodians: [custodian], op: 'session.signed-in' } as const;
    await expect(
      open([await run.commitEvent(signIn)], { purpose: 'sign-in' }),
    ).rejects.toMatchObject(refused('operation'));
  });

  test('refusals that no sound node causes are told, and not once for each', () => {
    const told = run.troubles.map((error) => error as { code: string; fields: { reason: string } });
    const reasons = told.filter(({ code }) => code === 'key.refused').map((e) => e.fields.reason);
    expect(new Set(reasons)).toEqual(new Set(['missing', 'session', 'operation', 'custodian']));
    expect(reasons.length).toBeLessThan(9);
  });

  test('an event serves for ten minutes and not before its time', async () => {
    const custodian = await run.newCustodian();
    const session = newId() as SessionId;
    const slot = dekSlot(custodian);
    const [wrap] = await run.client.wrap([{ ...slot, key: randomBytes(32) }]);
    const at = (when: number) => run.commitEvent({ session, custodians: [custodian], at: when });
    const old = await at(Date.now() - 9 * 60_000);
    const early = await at(Date.now() + 120_000);
    const grant = (event: EventId): OpenGrant => ({
      session,
      purpose: 'owner-read',
      events: [event],
    });
    const item = { ...slot, wrap: wrap! };
    expect(await run.client.open(grant(old), [item])).toHaveLength(1);
    await expect(run.client.open(grant(early), [item])).rejects.toMatchObject(refused('expired'));
    run.ahead = 2 * 60_000;
    try {
      await expect(run.client.open(grant(old), [item])).rejects.toMatchObject(refused('expired'));
    } finally {
      run.ahead = 0;
    }
  });

  test('an event over few messages does not open a whole archive', async () => {
    const custodian = await run.newCustodian();
    const session = newId() as SessionId;
    const items = Array.from({ length: 21 }, () => ({
      ...dekSlot(custodian),
      key: randomBytes(32),
    }));
    const wraps = await run.client.wrap(items);
    const event = await run.commitEvent({ session, custodians: [custodian], uids: '7:8' });
    const grant: OpenGrant = { session, purpose: 'owner-read', events: [event] };
    const all = items.map((item, i) => ({ ...item, wrap: wraps[i]! }));
    await expect(run.client.open(grant, all)).rejects.toMatchObject(refused('used-up'));
    expect(await run.client.open(grant, all.slice(0, 20))).toHaveLength(20);
    await expect(run.client.open(grant, all.slice(0, 1))).rejects.toMatchObject(refused('used-up'));
  });

  test('a wrap opens in its own slot alone, and one bad call leaves the others alone', async () => {
    const [first, second] = [await run.newCustodian(), await run.newCustodian()];
    const slot = dekSlot(first, 2);
    const [wrap, foreign] = await run.client.wrap([
      { ...slot, key: randomBytes(32) },
      { ...dekSlot(second, 2), objectId: slot.objectId, key: randomBytes(32) },
    ]);
    const grant = await run.readGrant(first, second);
    const good = { ...slot, wrap: wrap! };
    const wrong = [
      { ...good, wrap: foreign! },
      { ...good, custodian: second },
      { ...good, objectId: newId() },
      { ...good, purpose: 'cell' as const },
    ];
    // The group must exist, else there is no key to try the wrap with.
    await run.client.wrap([{ ...dekSlot(first, 3), key: randomBytes(32) }]);
    wrong.push({ ...good, group: 3 });
    for (let i = 0; i < 78; i += 7) {
      const changed = Buffer.from(wrap!);
      changed.writeUInt8((changed[i] ?? 0) ^ 0x10, i);
      wrong.push({ ...good, wrap: changed });
    }
    const calls = await Promise.allSettled([
      ...wrong.map((item) => run.client.open(grant, [item])),
      run.client.open(grant, [good]),
    ]);
    const last = calls.pop();
    expect(last?.status).toBe('fulfilled');
    for (const call of calls) {
      const { code } = (call as { reason: { code: string } }).reason;
      expect(['integrity.tag', 'integrity.format', 'key.destroyed']).toContain(code);
    }
    await expect(run.client.open(grant, [good, wrong[0]!])).rejects.toThrow(IntegrityError);
    await expect(
      run.client.open(grant, [{ ...dekSlot(first, 77), wrap: wrap! }]),
    ).rejects.toMatchObject({
      code: 'key.destroyed',
    });
  });

  test('tells a node what lies in the token, by attributes', async () => {
    const [kek] = await run.client.inventory();
    expect(kek).toMatchObject({ class: 'secret', sensitive: true, extractable: false });
    expect(kek?.label).toBe(`postseal kek ${run.organisation} 1`);
  });

  test('rewraps for another custodian without showing the key', async () => {
    const [from, to] = [await run.newCustodian(), await run.newCustodian()];
    const key = randomBytes(32);
    const slot = dekSlot(from, 1);
    const [wrap] = await run.client.wrap([{ ...slot, key }]);
    const target = { ...slot, custodian: to, group: 9 };
    const [moved] = await run.client.rewrap(
      [{ from: { ...slot, wrap: wrap! }, to: target }].map(({ from: source, to: goal }) => ({
        from: source,
        to: goal,
      })),
    );
    const grant = await run.readGrant(to);
    const [opened] = await run.client.open(grant, [{ ...target, wrap: moved! }]);
    expect(opened?.equals(key)).toBe(true);
    await expect(run.client.open(grant, [{ ...slot, wrap: wrap! }])).rejects.toMatchObject(
      refused('custodian'),
    );
  });

  test('gives write keys that are the same for every node, and the names key under a sign-in', async () => {
    const custodian = await run.newCustodian();
    const [names, again] = await Promise.all([
      run.client.writeKey('names', custodian),
      run.client.writeKey('names', custodian),
    ]);
    expect(again).toEqual(names);
    const side = await run.client.writeKey('side-record', custodian);
    expect(side.key.equals(names.key)).toBe(false);
    const dedup = await run.client.writeKey('dedup', 'organisation');
    expect(await run.client.writeKey('dedup', 'organisation')).toEqual(dedup);
    await expect(run.client.writeKey('names', 'organisation')).rejects.toMatchObject(
      refused('owner'),
    );

    const session = newId() as SessionId;
    const op = 'session.signed-in';
    const event = await run.commitEvent({ session, custodians: [custodian], op });
    const own = { custodian, group: 0, purpose: 'names', objectId: custodian } as const;
    const grant: OpenGrant = { session, purpose: 'sign-in', events: [event] };
    const [opened] = await run.client.open(grant, [{ ...own, wrap: new Uint8Array(0) }]);
    expect(opened?.equals(names.key)).toBe(true);
    const keyring = createSideKeyring(run.client);
    await Promise.all([keyring.load([custodian]), keyring.load([custodian])]);
    expect(keyring.keyFor(custodian)).toEqual({ keyId: side.id, key: side.key });
    keyring.flush();
    expect(keyring.keyFor(custodian)).toBeUndefined();
  });

  test('writes what it handed out and what it refused into the ledger', async () => {
    const custodian = await run.newCustodian();
    const slot = dekSlot(custodian);
    const [wrap] = await run.client.wrap([{ ...slot, key: randomBytes(32) }]);
    const grant = await run.readGrant(custodian);
    await run.client.open(grant, [{ ...slot, wrap: wrap! }]);
    const foreign = { ...grant, session: newId() as SessionId };
    await expect(run.client.open(foreign, [{ ...slot, wrap: wrap! }])).rejects.toThrow();
    await run.restart();
    const { rows } = await run.db.database.pool.query<{ body: string }>(
      `select convert_from(u.body, 'UTF8') as body from audit_inbox i, unnest(i.bodies) as u (body)`,
    );
    const text = rows.map(({ body }) => body);
    const has = (...parts: string[]) => text.some((b) => parts.every((part) => b.includes(part)));
    expect(has('"op":"key.opened"', grant.events[0]!)).toBe(true);
    expect(has('"op":"key.refused"', 'session owner-read', foreign.session)).toBe(true);
    expect(has('"op":"key.created"', custodian, '"kind":"group-key"')).toBe(true);
  });
});
