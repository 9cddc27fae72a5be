// A shred through the rooms of a node on real services: what is erased is gone from mailboxes and imports
// in the same transaction, sessions see it vanish, and a copy that is made meanwhile does not escape.
import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { erasureTargets } from '../../src/app/erasure-targets.ts';
import type { RecordRef, StoredRecord } from '../../src/archive/types.ts';
import { importedPart } from '../../src/intake/import/import-item.store.ts';
import type { MailboxId, SessionId } from '../../src/kernel/ids.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import type { Account, AccountView } from '../../src/mailbox/types.ts';
import { readFacts } from '../../src/mailbox/view/facts.store.ts';
import { eventOf } from '../archive/stage.ts';
import { type NodeServices, startNodeServices } from '../harness/node-services.ts';
import { signIn, uids } from '../mailbox/stage.ts';

let node: NodeServices;
let account: Account;
let view: AccountView;
beforeAll(async () => {
  node = await startNodeServices();
  const { mailboxes, committer } = node.services;
  account = await mailboxes.createAccount({ name: 'ann@example.com', actor: systemActor });
  view = await signIn({ committer, service: mailboxes }, account);
}, 120_000);
afterAll(() => node.close());

let serial = 0;
/** Stores a message in INBOX and remembers it as imported. */
async function take(): Promise<StoredRecord> {
  const { archive, committer, mailboxes } = node.services;
  serial += 1;
  const bytes = Buffer.from(`Subject: ${String(serial)}\r\n\r\nx\r\n`);
  const { custodian, inbox: mailbox } = account;
  const record = await archive.prepare({ custodian, source: 'import', bytes });
  const internalDate = 1_700_000_000_000 as UnixMs;
  const draft = eventOf('mail.imported', [record]);
  const { outputs } = await committer.commit({
    events: [{ ...draft, objects: [...draft.objects, { t: 'mbx', id: mailbox }] }],
    parts: [
      record.part(),
      mailboxes.appendPart({ custodian, mailbox, record, flags: 8, internalDate }),
      importedPart({
        custodian,
        mailbox,
        tag: createHash('sha256').update(bytes).digest(),
        occurrence: 0,
        record: record.recordId,
      }),
    ],
  });
  return outputs[0];
}

/** What every target finds of the record, by table. */
async function found(record: RecordRef, how: 'discover' | 'verify'): Promise<object> {
  const targets = erasureTargets(node.services);
  const rows = await Promise.all(
    targets.map((target) => target[how](node.db.database.pool, record)),
  );
  return Object.fromEntries(rows.flat().map(({ table, rows: count }) => [table, count]));
}

async function folder(name: string): Promise<MailboxId> {
  const id = (await view.find(name))?.id;
  if (id === undefined) throw new Error(`no folder ${name}`);
  return id;
}

async function history(record: RecordRef): Promise<string[]> {
  const { rows } = await node.db.database.pool.query<{ event_id: string }>(
    'SELECT event_id FROM message_history WHERE record_id = $1',
    [record.recordId],
  );
  return rows.map(({ event_id: event }) => event);
}

/** Without the key service's own, which it writes once a second, whatever happens meanwhile. */
const events = async () => (await node.events()).filter(({ op }) => op !== 'key.opened');

const shred = (record: RecordRef) => node.services.archive.shred(record, { actor: systemActor });

describe('a shred', () => {
  test('takes the record out of every room, and an open session sees it vanish', async () => {
    const [gone, stays] = [await take(), await take()];
    const inbox = await view.open(account.inbox, 'read-write');
    const sent = await folder('Sent');
    await inbox.copy({ uids: uids(1, 2), to: sent, actor: systemActor });
    await inbox.changes();
    const before = { record: 1, metadata_cell: 1, message: 2, import_item: 1 };
    expect(await found(gone, 'discover')).toEqual(before);
    const { event, contentDestroyed } = await shred(gone);
    expect(contentDestroyed).toBe(true);
    expect(await found(gone, 'discover')).toEqual({});
    expect(await found(gone, 'verify')).toEqual({});
    // Which record a uid was stays, under the event of the erasure.
    expect(await history(gone)).toEqual([event, event]);
    expect(await found(stays, 'discover')).toEqual(before);
    expect(await inbox.changes()).toEqual([{ kind: 'vanished', uids: [1], seqs: [1] }]);
    expect(await view.status(account.inbox)).toMatchObject({ messages: 1, deleted: 1, unseen: 1 });
    expect(await view.status(sent)).toMatchObject({ messages: 1, deleted: 1, unseen: 1 });
    inbox.close();
  });

  test('leaves nothing to open for a session that had looked at the record', async () => {
    const record = await take();
    const { archive, committer } = node.services;
    const inbox = await view.open(account.inbox, 'read-write');
    const uid = [...inbox.snapshot().uids].at(-1) ?? 0;
    const [before] = await inbox.facts(uids(uid));
    expect(before?.record.recordId).toBe(record.recordId);
    const session = randomUUID() as SessionId;
    const event = await committer.record(eventOf('read.granted', [record], session));
    const grant = { session, purpose: 'owner-read', events: [event] } as const;
    expect((await archive.openMetadata(grant, [record]))[0]).toHaveProperty('headerLines');
    const body = await archive.openBody(grant, record);
    expect(await body.read(0, body.size)).toHaveLength(record.size);
    await shred(record);
    // The message is in the picture until the session is told; memory says of it what the rows keep.
    const key = { custodian: account.custodian, mailbox: account.inbox };
    expect(await inbox.facts(uids(uid))).toEqual([before]);
    expect(await readFacts(node.db.database.pool, key, uids(uid))).toEqual([before]);
    const gone = { code: 'key.destroyed' };
    expect((await archive.openMetadata(grant, [record]))[0]).toMatchObject(gone);
    await expect(archive.openBody(grant, record)).rejects.toMatchObject(gone);
    inbox.close();
  });

  test('finds the record in a deleted mailbox too', async () => {
    const record = await take();
    await view.create('Short lived', systemActor);
    const inbox = await view.open(account.inbox, 'read-write');
    await inbox.changes({ force: true });
    const last = [...inbox.snapshot().uids].at(-1) ?? 0;
    await inbox.copy({ uids: uids(last), to: await folder('Short lived'), actor: systemActor });
    inbox.close();
    await view.remove('Short lived', systemActor);
    await shred(record);
    expect(await found(record, 'verify')).toEqual({});
    expect(await history(record)).toHaveLength(2);
  });

  test('a copy made after the purge was prepared does not escape it', async () => {
    const record = await take();
    const { committer, mailboxes } = node.services;
    const purge = await mailboxes.erasure.purge(record);
    const inbox = await view.open(account.inbox, 'read-write');
    await inbox.changes({ force: true });
    const last = [...inbox.snapshot().uids].at(-1) ?? 0;
    await inbox.copy({ uids: uids(last), to: await folder('Trash'), actor: systemActor });
    inbox.close();
    expect(await found(record, 'discover')).toMatchObject({ message: 2 });
    await committer.commit({
      events: [eventOf('record.shredded', [record])],
      parts: [purge.part],
    });
    expect(await found(record, 'discover')).toEqual({
      record: 1,
      metadata_cell: 1,
      import_item: 1,
    });
  });

  test('names the mailboxes that lose the record, in several events where there are many', async () => {
    const record = await take();
    const inbox = await view.open(account.inbox, 'read-write');
    await inbox.changes({ force: true });
    const last = [...inbox.snapshot().uids].at(-1) ?? 0;
    const boxes: MailboxId[] = [account.inbox];
    for (let i = 0; i < 104; i += 1) {
      const { id } = await view.create(`Many ${String(i)}`, systemActor);
      if (id === undefined) throw new Error('no folder');
      await inbox.copy({ uids: uids(last), to: id, actor: systemActor });
      boxes.push(id);
    }
    inbox.close();
    const before = (await events()).length;
    await shred(record);
    const named = (await events()).slice(before).map(({ op, text }) => {
      const { obj } = JSON.parse(text) as { obj: { t: string; id: string }[] };
      expect(obj).toContainEqual({ t: 'rec', id: record.recordId });
      return { op, ids: obj.filter(({ t }) => t === 'mbx').map(({ id }) => id) };
    });
    expect(named.map(({ op, ids }) => [op, ids.length])).toEqual([
      ['message.expunged', 100],
      ['record.shredded', 5],
    ]);
    expect(named.flatMap(({ ids }) => ids).sort()).toEqual(boxes.sort());
    expect(await found(record, 'verify')).toEqual({});
    expect(await history(record)).toHaveLength(boxes.length);
  }, 120_000);

  test('that leaves something behind says so', async () => {
    const record = await take();
    const { pool } = node.db.database;
    // The row comes back under every lock, as a table without a target would keep it.
    await pool.query(
      `CREATE FUNCTION public.test_again() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN INSERT INTO public.import_item SELECT OLD.*; RETURN NULL; END $$;
       CREATE TRIGGER test_again AFTER DELETE ON public.import_item
       FOR EACH ROW EXECUTE FUNCTION public.test_again()`,
    );
    try {
      await expect(shred(record)).rejects.toMatchObject({
        code: 'erasure.incomplete',
        fields: { record: record.recordId, tables: 'import_item 1' },
      });
    } finally {
      await pool.query('DROP TRIGGER test_again ON public.import_item');
    }
  });
});
