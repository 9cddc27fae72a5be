// What IMAP refuses before it is anybody's, and mail that APPEND does not take, is in the ledger before the
// answer (docs/security/refusals.md).
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { withoutLedger } from '../harness/ledger-away.ts';
import { Client } from '../wire/transcript.ts';
import { type ImapStage, type LedgerEvent, openImapStage } from './stage.ts';

const messageBytesMax = 2_000;
let stage: ImapStage;
beforeAll(async () => {
  // Without a ledger the key service cannot record what it handed out either.
  stage = await openImapStage({ messageBytesMax }, () => undefined);
}, 120_000);
const clients: Client[] = [];
afterAll(async () => {
  for (const client of clients) client.close();
  await stage.close();
});

async function open(door = stage.secure): Promise<Client> {
  const client = await Client.open(door);
  clients.push(client);
  return client;
}

async function told(op: string): Promise<LedgerEvent[]> {
  return (await stage.events()).filter((event) => event.op === op);
}

const answer = async (client: Client, tag: string): Promise<string> =>
  (await client.until(tag)).at(-1) ?? '';

describe('APPEND', () => {
  test('that is refused or fails is an event, those like it a count', async () => {
    const worker = await stage.newWorker();
    const { name, password } = await stage.newAccount();
    const client = await open(worker.secure);
    await client.line();
    await client.command('in', `LOGIN ${name} "${password}"`);
    client.send(`a APPEND INBOX {${messageBytesMax + 1}}\r\n`);
    expect(await answer(client, 'a')).toMatch(/^a NO \[TOOBIG\]/);
    expect(await told('mail.rejected')).toMatchObject([
      { out: 'denied', f: { source: 'append', reason: 'too-large' } },
    ]);
    client.send(`b APPEND INBOX {${messageBytesMax + 1}}\r\n`);
    expect(await answer(client, 'b')).toMatch(/^b NO \[TOOBIG\]/);
    client.send('c APPEND nowhere {6+}\r\na: b\r\n\r\n');
    expect(await answer(client, 'c')).toMatch(/^c NO \[TRYCREATE\]/);
    client.send('d APPEND INBOX {0}\r\n');
    expect(await answer(client, 'd')).toMatch(/^d NO \[CANNOT\]/);
    const { pool } = stage.db.database;
    await pool.query('ALTER TABLE message RENAME TO message_away');
    client.send('e APPEND INBOX {6+}\r\na: b\r\n\r\n');
    const failed = await answer(client, 'e');
    await pool.query('ALTER TABLE message_away RENAME TO message');
    expect(failed).toMatch(/^e NO /);
    await worker.refusals.close();
    const events = await told('mail.rejected');
    expect(events.map(({ out, f }) => [out, f['reason'], f['times']])).toEqual([
      ['denied', 'too-large', undefined],
      ['denied', 'no-mailbox', undefined],
      ['denied', 'empty', undefined],
      ['failure', expect.any(String), undefined],
      ['denied', 'too-large', 1],
    ]);
    expect(JSON.stringify(events)).not.toMatch(/example|nowhere/);
  });

  test('is not refused for good while the ledger is away', async () => {
    const { name, password } = await stage.newAccount();
    const client = await open();
    await client.line();
    await client.command('in', `LOGIN ${name} "${password}"`);
    const [large, small] = await withoutLedger(stage.db.database, async () => {
      client.send(`a APPEND INBOX {${messageBytesMax + 1}}\r\n`);
      const first = await answer(client, 'a');
      client.send('b APPEND INBOX {6+}\r\na: b\r\n\r\n');
      return [first, await answer(client, 'b')];
    });
    expect(large).toMatch(/^a NO (?!\[TOOBIG\])/);
    expect(small).toMatch(/^b NO /);
    client.send('c APPEND INBOX {6+}\r\na: b\r\n\r\n');
    expect(await answer(client, 'c')).toMatch(/^c OK /);
  });
});

describe('connections', () => {
  test.each([
    ['connections', { connectionsMax: 1 }],
    ['connections-per-address', { connectionsPerAddressMax: 1 }],
  ])('above %s: an event before BYE, then a count', async (reason, settings) => {
    const worker = await stage.newWorker(settings);
    const [first, second, third] = [
      await open(worker.plain),
      await open(worker.plain),
      await open(worker.secure),
    ];
    expect(await first.line()).toMatch(/^\* OK/);
    expect(await second.line()).toMatch(/^\* BYE \[LIMIT\]/);
    expect(await third.line()).toMatch(/^\* BYE \[LIMIT\]/);
    const again = await open(worker.plain);
    expect(await again.line()).toMatch(/^\* BYE \[LIMIT\]/);
    await worker.refusals.close();
    const events = (await told('access.denied')).filter(({ f }) => f['reason'] === reason);
    expect(events.map(({ out, f }) => [out, f['listener'], f['times']])).toEqual([
      ['denied', 'imap', undefined],
      ['denied', 'imaps', undefined],
      ['denied', 'imap', 1],
    ]);
    expect(new Set(events.map(({ f }) => f['from'])).size).toBe(1);
    expect(JSON.stringify(events)).not.toContain('127.0.0.1');
  });
});
