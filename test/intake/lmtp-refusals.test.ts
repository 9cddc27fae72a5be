// What LMTP refuses is in the ledger before the answer, by real sockets (docs/security/refusals.md).
import net from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createDelivery } from '../../src/intake/lmtp/delivery.ts';
import { type LmtpServer, startLmtpServer } from '../../src/intake/lmtp/lmtp-server.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import type { Account } from '../../src/mailbox/types.ts';
import { withoutLedger } from '../harness/ledger-away.ts';
import { type NodeServices, startNodeServices } from '../harness/node-services.ts';

const messageBytesMax = 20_000;
let node: NodeServices;
let server: LmtpServer;
let ann: Account;

beforeEach(async () => {
  node = await startNodeServices();
  const { mailboxes } = node.services;
  ann = await mailboxes.createAccount({ name: 'ann@example.com', actor: systemActor });
  server = await startLmtpServer({
    host: '127.0.0.1',
    port: 0,
    messageBytesMax,
    recipientsMax: 1,
    delivery: createDelivery(node.services),
    mailboxes,
    log: node.log,
  });
}, 120_000);

afterEach(async () => {
  await server.close();
  await node.close();
});

/** Says each line when the one before was answered; gives the last line of each answer. */
function talk(...lines: (string | Buffer)[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(server.port, '127.0.0.1');
    const rest: (string | Buffer)[] = ['LHLO test\r\n', ...lines, 'QUIT\r\n'];
    const answers: string[] = [];
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (!/^\d{3} .*\r\n$/m.test(text)) return;
      answers.push(text.trimEnd().split('\r\n').at(-1) ?? '');
      text = '';
      const next = rest.shift();
      if (next !== undefined) socket.write(next);
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answers.slice(2, -1)));
  });
}

interface Told {
  readonly op: string;
  readonly out: string;
  readonly obj: readonly { readonly id: string }[];
  readonly f: Readonly<Record<string, unknown>>;
}

async function rejected(): Promise<Told[]> {
  return (await node.events())
    .filter(({ op }) => op === 'mail.rejected')
    .map(({ text }) => JSON.parse(text) as Told);
}

const from = 'MAIL FROM:<a@example.org>\r\n';
const to = (name: string): string => `RCPT TO:<${name}@example.com>\r\n`;
const tooLarge = `MAIL FROM:<a@example.org> SIZE=${messageBytesMax + 1}\r\n`;

describe('LMTP refusals', () => {
  test('an announced size above the limit: an event, then a count at the end', async () => {
    expect(await talk(tooLarge, tooLarge, tooLarge)).toEqual(
      Array.from({ length: 3 }, () => '552 5.3.4 message is larger than this archive takes'),
    );
    const [only, ...more] = await rejected();
    expect(only).toMatchObject({ out: 'denied', f: { source: 'lmtp', reason: 'too-large' } });
    expect(more).toEqual([]);
    await node.services.refusals.close();
    expect((await rejected()).map(({ f }) => f['times'])).toEqual([undefined, 2]);
    expect(JSON.stringify(await rejected())).not.toMatch(/127\.0\.0\.1|example/);
  });

  test('a message that grows too large is the same kind as an announced one', async () => {
    const big = Buffer.concat([
      Buffer.alloc(messageBytesMax + 10, 'a\r\n'),
      Buffer.from('\r\n.\r\n'),
    ]);
    expect((await talk(from, to('ann'), 'DATA\r\n', big)).at(-1)).toMatch(/^552 /);
    await talk(tooLarge);
    await node.services.refusals.close();
    expect((await rejected()).map(({ f }) => [f['reason'], f['times']])).toEqual([
      ['too-large', undefined],
      ['too-large', 1],
    ]);
  });

  test('recipients: unknown ones, disabled ones by account, and those above the limit', async () => {
    await talk(from, to('ann'), to('ann'), to('bob'));
    await talk(from, to('bob'), to('eve'));
    await node.services.mailboxes.disableAccount({ name: ann.name, actor: systemActor });
    expect(await talk(from, to('ann'))).toContain('550 5.2.1 account disabled');
    await node.services.refusals.close();
    const told = (await rejected()).map(({ f, obj }) => [f['reason'], f['times'], obj[0]?.id]);
    expect(told).toEqual([
      ['too-many-recipients', undefined, undefined],
      ['unknown', undefined, undefined],
      ['disabled', undefined, ann.id],
      ['too-many-recipients', 1, undefined],
      ['unknown', 1, undefined],
    ]);
  });

  test('a delivery that fails is told with its cause and whose it was', async () => {
    await node.stopKeys();
    const answers = await talk(from, to('ann'), 'DATA\r\n', 'Subject: x\r\n\r\nx\r\n.\r\n');
    expect(answers.at(-1)).toMatch(/^451 4\.3\.0 /);
    expect(await rejected()).toMatchObject([
      { out: 'failure', f: { source: 'lmtp', reason: 'key.unavailable' } },
    ]);
  });

  test('a sender that leaves in the middle is no refusal', async () => {
    await new Promise<void>((resolve) => {
      const socket = net.connect(server.port, '127.0.0.1');
      socket.on('data', (chunk) => {
        if (String(chunk).startsWith('220')) socket.write(`LHLO x\r\n${from}${to('ann')}DATA\r\n`);
        else if (String(chunk).includes('354')) {
          socket.write('Subject: half\r\n\r\n', () => socket.destroy());
        }
      });
      socket.on('close', () => resolve());
    });
    const failed = (): boolean =>
      node.log.entries.some(({ event }) => event === 'lmtp.transaction.failed');
    while (!failed()) await setTimeout(20);
    await node.services.refusals.close();
    expect(await rejected()).toEqual([]);
  });

  test('without the ledger nothing is refused for good, and nothing is taken', async () => {
    const answers = await withoutLedger(node.db.database, () =>
      talk(tooLarge, from, to('bob'), to('ann'), 'DATA\r\n', 'x: y\r\n\r\n.\r\n'),
    );
    expect(answers.map((line) => line.slice(0, 3))).toEqual([
      '451',
      '250',
      '451',
      '250',
      '354',
      '451',
    ]);
    expect(await rejected()).toEqual([]);
    expect(await talk(tooLarge)).toEqual([expect.stringMatching(/^552 /)]);
    await node.services.refusals.close();
    const told = (await rejected()).map(({ f }) => [f['reason'], f['times'] ?? 1]);
    expect(told).toEqual(
      expect.arrayContaining([
        ['too-large', 2],
        ['unknown', 1],
        [expect.any(String), 1],
      ]),
    );
  });
});
