// Keys handed out against the ledger, on a real key service and its real socket: honest work explains itself, and a
// process that got at the socket is reported for everything that the service could not refuse.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { RecordRef } from '../../../src/archive/types.ts';
import type { EventId, SessionId } from '../../../src/kernel/ids.ts';
import type { UnixMs } from '../../../src/kernel/time.ts';
import { systemActor } from '../../../src/ledger/event/draft.ts';
import type { Account } from '../../../src/mailbox/types.ts';
import type { Finding } from '../../../src/operate/reconcile/finding.ts';
import { alertOfFindings, reconcileKeys } from '../../../src/operate/reconcile/reconcile-keys.ts';
import { createAlertBus } from '../../../src/platform/alerts/alert-bus.ts';
import type { OpenGrant } from '../../../src/vault/keys/types.ts';
import { eventOf } from '../../archive/stage.ts';
import { type NodeServices, startNodeServices } from '../../harness/node-services.ts';
import { signIn } from '../../mailbox/stage.ts';
import type { Stolen, Theft } from './socket-thief.ts';

let node: NodeServices;
let ann: Account;
let ben: Account;
beforeAll(async () => {
  node = await startNodeServices();
  const { mailboxes, committer } = node.services;
  ann = await mailboxes.createAccount({ name: 'ann@example.com', actor: systemActor });
  ben = await mailboxes.createAccount({ name: 'ben@example.com', actor: systemActor });
  await signIn({ committer, service: mailboxes }, ann);
}, 120_000);
afterAll(() => node.close());

async function deliver(to: Account, text: string): Promise<RecordRef> {
  const { archive, committer, mailboxes } = node.services;
  const bytes = Buffer.from(`Subject: ${text}\r\n\r\nx\r\n`);
  const { custodian, inbox: mailbox } = to;
  const record = await archive.prepare({ custodian, source: 'lmtp', bytes });
  const draft = eventOf('mail.received', [record]);
  const internalDate = 1_700_000_000_000 as UnixMs;
  const { outputs } = await committer.commit({
    events: [{ ...draft, objects: [...draft.objects, { t: 'mbx', id: mailbox }] }],
    parts: [
      record.part(),
      mailboxes.appendPart({ custodian, mailbox, record, flags: 0, internalDate }),
    ],
  });
  return outputs[0];
}

/** An event as a session of ann's writes it before it reads these uids. */
async function readGrant(uids: string): Promise<OpenGrant> {
  const session = randomUUID() as SessionId;
  const event = await node.services.committer.record({
    op: 'read.granted',
    outcome: 'success',
    actor: { ...systemActor, session },
    objects: [
      { t: 'mbx', id: ann.inbox },
      { t: 'cus', id: ann.custodian },
    ],
    fields: { uv: 1, uids, n: 1, items: ['body'] },
  });
  return { session, purpose: 'owner-read', events: [event] };
}

/** What the database has of a body's wrap. */
async function wrapOf({ custodian, recordId }: RecordRef): Promise<Stolen> {
  const { rows } = await node.db.database.pool.query<{ id: string; group: number; wrap: Buffer }>(
    `SELECT w.content_id AS id, w.group_no AS group, w.wrap FROM content_wrap w
       JOIN record r USING (custodian_id, content_id) WHERE r.record_id = $1 AND custodian_id = $2`,
    [recordId, custodian],
  );
  const { id = '', group = 0, wrap = Buffer.alloc(0) } = rows[0] ?? {};
  return { custodian, group, purpose: 'dek', objectId: id, wrap: wrap.toString('hex') };
}

const run = promisify(execFile);
const thief = fileURLToPath(new URL('socket-thief.ts', import.meta.url));

/** Runs the thief in a process of its own. */
async function steal(theft: Theft): Promise<object> {
  const socketPath = join(node.home, 'keys.sock');
  const { stdout } = await run(process.execPath, [thief, JSON.stringify({ socketPath, theft })]);
  return JSON.parse(stdout) as object;
}

async function reconcile(): Promise<readonly Finding[]> {
  // The service ends and begins again, so that nothing of this hangs on its memory.
  await node.stopKeys();
  await node.startKeys();
  const { findings } = await reconcileKeys(
    { ...node.services, organisation: node.services.organisation },
    systemActor,
    { settleSeconds: 0 },
  );
  return findings;
}

let records: RecordRef[];

describe('honest work', () => {
  test('finds its events: delivery, a second holder, reading, a copy that was erased since', async () => {
    records = [];
    for (let i = 0; i < 3; i += 1) records.push(await deliver(ann, `m${String(i)}`));
    await deliver(ben, 'm0');
    const [first, second, third] = records as [RecordRef, RecordRef, RecordRef];
    const { archive } = node.services;
    const grant = await readGrant('1:3');
    for (const answer of await archive.openBodies(grant, [first, second, third])) {
      expect('read' in answer).toBe(true);
    }
    await archive.openMetadata(grant, [first, second]);
    await archive.shred(third, { actor: systemActor });
    expect(await reconcile()).toEqual([]);
    const { rows } = await node.db.database.pool.query(
      `SELECT DISTINCT kind FROM key_handout ORDER BY kind`,
    );
    expect(rows.map(({ kind }: { kind?: string }) => kind)).toEqual([
      'moved',
      'opened',
      'wrapped',
      'write',
    ]);
    // Nothing is compared twice.
    expect(await reconcile()).toEqual([]);
  });
});

describe('a process with the socket alone', () => {
  test('opens nothing without an event, or with one of its invention', async () => {
    const item = await wrapOf(records[0]!);
    const session = randomUUID() as SessionId;
    const open = (events: EventId[]) =>
      steal({ do: 'open', grant: { session, purpose: 'owner-read', events }, items: [item] });
    const refused = { code: 'key.refused', fields: { reason: 'missing', purpose: 'owner-read' } };
    expect(await open([])).toEqual(refused);
    expect(await open([randomUUID() as EventId])).toEqual(refused);
    expect(await reconcile()).toEqual([]);
  });

  test('is reported when it opens something else under an event of somebody else', async () => {
    const grant = await readGrant('1');
    expect(await steal({ do: 'open', grant, items: [await wrapOf(records[0]!)] })).toEqual({
      got: 1,
    });
    expect(await reconcile()).toEqual([]);
    expect(await steal({ do: 'open', grant, items: [await wrapOf(records[1]!)] })).toEqual({
      got: 1,
    });
    expect(await reconcile()).toMatchObject([
      {
        reason: 'object',
        kind: 'opened',
        keyKind: 'dek',
        custodian: ann.custodian,
        event: grant.events[0],
      },
    ]);
  });

  test('is reported when it opens more than the event is about, though the service forgot its count', async () => {
    const grant = await readGrant('1');
    const item = await wrapOf(records[0]!);
    const items = Array.from({ length: 18 }, () => item);
    expect(await steal({ do: 'open', grant, items })).toEqual({ got: 18 });
    expect(await steal({ do: 'open', grant, items: [item] })).toMatchObject({
      fields: { reason: 'used-up' },
    });
    await node.stopKeys();
    await node.startKeys();
    expect(await steal({ do: 'open', grant, items: [item] })).toEqual({ got: 1 });
    expect(await reconcile()).toMatchObject([{ reason: 'count', kind: 'opened', keys: 19 }]);
  });

  test('is reported for what needs no event: wrapping, moving a wrap, taking a write key', async () => {
    const eve = await node.services.mailboxes.createAccount({
      name: 'eve@example.com',
      actor: systemActor,
    });
    expect(await reconcile()).toEqual([]);
    const slot = { custodian: eve.custodian, group: 0, purpose: 'dek' } as const;
    const slots = [{ ...slot, objectId: randomUUID() }];
    expect(await steal({ do: 'wrap', slots })).toEqual({ got: 1 });
    expect(await reconcile()).toMatchObject([
      { reason: 'no-event', kind: 'wrapped', keyKind: 'dek', custodian: eve.custodian, keys: 1 },
    ]);

    const from = await wrapOf(records[1]!);
    const to = { ...slot, objectId: from.objectId };
    expect(await steal({ do: 'move', from, to })).toEqual({ got: 1 });
    expect(await reconcile()).toMatchObject([
      { reason: 'no-event', kind: 'moved', keyKind: 'dek', custodian: eve.custodian },
    ]);
    const other = { ...to, custodian: ann.custodian, objectId: randomUUID() };
    expect(await steal({ do: 'move', from, to: other })).toMatchObject({
      code: 'key.refused',
      fields: { reason: 'object' },
    });

    const nobody = randomUUID() as typeof eve.custodian;
    const key = { do: 'write-key', slot: 'side-record', owner: nobody } as const;
    expect(await steal(key)).toEqual({ got: 32 });
    expect(await reconcile()).toMatchObject([
      { reason: 'no-event', kind: 'write', keyKind: 'side-record', custodian: nobody },
    ]);
  });

  test('the report is an event that names the custodian, and a P0', async () => {
    const objectId = randomUUID();
    const { custodian } = await node.services.mailboxes.createAccount({
      name: 'fay@example.com',
      actor: systemActor,
    });
    await steal({ do: 'wrap', slots: [{ custodian, group: 0, purpose: 'cell', objectId }] });
    const findings = await reconcile();
    const reports = (await node.events()).filter(({ op }) => op === 'key.reconciled');
    expect(reports.at(-1)).toMatchObject({ out: 'failure' });
    expect(reports.at(-1)?.text).toContain(custodian);
    const alerts = createAlertBus({ log: node.log, now: () => Date.now() as UnixMs });
    alertOfFindings(alerts, { rows: 1, keys: 1, findings });
    expect(alerts.recent()).toMatchObject([
      { code: 'key.unreconciled', class: 'P0', fields: { findings: 1, reason: 'no-event' } },
    ]);
  });
});
