// The LMTP listener on real services: replies a recipient, limits, bytes, back-pressure (RFC 2033).
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createDelivery } from '../../src/intake/lmtp/delivery.ts';
import { lmtpReply, LmtpRefusal } from '../../src/intake/lmtp/lmtp-replies.ts';
import { type LmtpServer, startLmtpServer } from '../../src/intake/lmtp/lmtp-server.ts';
import { PostsealError } from '../../src/kernel/errors.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import type { Account } from '../../src/mailbox/types.ts';
import { type NodeServices, startNodeServices } from '../harness/node-services.ts';

let node: NodeServices;
let server: LmtpServer;
const accounts = new Map<string, Account>();
const messageBytesMax = 100_000;
const recipientsMax = 3;

beforeAll(async () => {
  node = await startNodeServices();
  const { mailboxes } = node.services;
  for (const name of ['ann@example.com', 'bob@example.com', 'gone@example.com']) {
    accounts.set(name, await mailboxes.createAccount({ name, actor: systemActor }));
  }
  await mailboxes.disableAccount({ name: 'gone@example.com', actor: systemActor });
  await mailboxes.addAlias({
    name: 'bob@example.com',
    address: 'info@example.com',
    actor: systemActor,
  });
  server = await startLmtpServer({
    host: '127.0.0.1',
    port: 0,
    messageBytesMax,
    recipientsMax,
    delivery: createDelivery(node.services),
    mailboxes,
    log: node.log,
  });
}, 120_000);
afterAll(async () => {
  await server.close();
  await node.close();
});

/** Waits for greeting and LHLO, then sends everything at once (pipelined); answers every reply line. */
function session(...parts: (string | Buffer)[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(server.port, '127.0.0.1');
    const steps: (readonly [RegExp, readonly (string | Buffer)[]])[] = [
      [/^220 .*\r\n$/, ['LHLO test\r\n']],
      [/^250 .*\r\n$/m, [...parts, 'QUIT\r\n']],
    ];
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
      const [ready, next] = steps[0] ?? [];
      if (ready?.test(text) !== true) return;
      steps.shift();
      for (const part of next ?? []) socket.write(part);
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text.split('\r\n').filter((line) => line !== '')));
  });
}

const to = (...names: string[]): string =>
  ['MAIL FROM:<a@example.org>', ...names.map((name) => `RCPT TO:<${name}>`), 'DATA', ''].join(
    '\r\n',
  );

/** Replies after the 354. */
const afterData = (lines: readonly string[]): string[] =>
  lines.slice(lines.findIndex((line) => line.startsWith('354')) + 1, -1);

async function inboxOf(name: string): Promise<{ uid: number; size: number }[]> {
  const { rows } = await node.db.database.pool.query<{ uid: string; size: string }>(
    'SELECT uid, size FROM message WHERE mailbox_id = $1 ORDER BY uid',
    [accounts.get(name)?.inbox],
  );
  return rows.map(({ uid, size }) => ({ uid: Number(uid), size: Number(size) }));
}

describe('LMTP', () => {
  test('greets and offers what it can do, and nothing about signing in', async () => {
    const lines = await session();
    expect(lines[0]).toMatch(/^220 .*LMTP/);
    const offered = lines.filter((line) => /^250[- ]/.test(line)).map((line) => line.slice(4));
    expect(offered).toEqual(expect.arrayContaining(['PIPELINING', '8BITMIME', 'SMTPUTF8', 'SIZE']));
    expect(offered.join(' ')).not.toMatch(/AUTH|STARTTLS|CHUNKING/);
  });

  test('gives one reply a recipient, in their order, and one receipt an account', async () => {
    const before = await inboxOf('bob@example.com');
    const lines = await session(
      to('ann@example.com', 'bob+x@example.com', 'info@example.com'),
      'Subject: three\r\n\r\n..one dot\r\n8bit: \xe9\r\n.\r\n',
    );
    const replies = afterData(lines);
    expect(replies).toHaveLength(3);
    const receipts = replies.map((line) => /^250 2\.0\.0 sealed ([0-9a-f-]{36})$/.exec(line)?.[1]);
    expect(receipts).not.toContain(undefined);
    // The alias and the address with detail lead to one account, which gets one copy.
    expect(receipts[1]).toBe(receipts[2]);
    expect(receipts[0]).not.toBe(receipts[1]);
    expect(await inboxOf('bob@example.com')).toHaveLength(before.length + 1);
    const ops = (await node.events()).filter(({ op }) => op === 'mail.received');
    expect(ops.map(({ text }) => (JSON.parse(text) as { id: string }).id)).toEqual(
      expect.arrayContaining([receipts[0], receipts[1]]),
    );
  });

  test('what goes wrong for one recipient is no answer to the others', async () => {
    const { committer } = node.services;
    const [ann, bob] = ['ann@example.com', 'bob@example.com'].map((name) => accounts.get(name));
    if (ann === undefined || bob === undefined) throw new Error('no accounts');
    const broken: typeof committer.commit = (operation) => {
      const objects = operation.events.flatMap((event) => event.objects);
      if (objects.some(({ id }) => id === ann.id)) throw new TypeError('a fault of our own');
      return committer.commit(operation);
    };
    const faulty = Object.assign(Object.create(committer) as typeof committer, { commit: broken });
    const delivery = createDelivery({ ...node.services, committer: faulty });
    const bytes = (async function* () {
      yield await Promise.resolve(Buffer.from('Subject: one of two\r\n\r\nbody\r\n'));
    })();
    const before = await inboxOf(bob.name);
    const peer = '192.0.2.1';
    const to = [ann.name, bob.name];
    const input = { accounts: [ann, bob], from: 'a@example.org', to, bytes, peer };
    const [forAnn, forBob] = await delivery.deliver(input);
    expect(forAnn).toMatchObject({ code: 'internal' });
    expect(forBob).toMatchObject({ event: expect.any(String) });
    expect(await inboxOf(bob.name)).toHaveLength(before.length + 1);
  });

  test('keeps the bytes: dots unstuffed, 8-bit untouched', async () => {
    const message = Buffer.from('Subject: x\r\n\r\n.dot\r\n\xff\xfe\r\n', 'latin1');
    await session(
      to('ann@example.com'),
      Buffer.from('Subject: x\r\n\r\n..dot\r\n\xff\xfe\r\n.\r\n', 'latin1'),
    );
    const last = (await inboxOf('ann@example.com')).at(-1);
    expect(last?.size).toBe(message.length);
  });

  test('refuses unknown and disabled recipients at once, and keeps the name nowhere', async () => {
    const lines = await session(
      'MAIL FROM:<a@example.org>\r\nRCPT TO:<canary-nobody@example.com>\r\nRCPT TO:<gone@example.com>\r\n',
    );
    expect(lines.filter((line) => line.startsWith('5'))).toEqual([
      '550 5.1.1 no such recipient',
      '550 5.2.1 account disabled',
    ]);
    const rejected = (await node.events()).filter(
      ({ op, text }) => op === 'mail.rejected' && /"reason":"(unknown|disabled)"/.test(text),
    );
    expect(rejected).toHaveLength(2);
    expect(rejected.every(({ out }) => out === 'denied')).toBe(true);
    expect(JSON.stringify([rejected, node.log.entries])).not.toContain('canary-nobody');
  });

  test('refuses a message over the limit by its announced and by its real size', async () => {
    const before = await inboxOf('ann@example.com');
    const announced = await session(`MAIL FROM:<a@example.org> SIZE=${messageBytesMax + 1}\r\n`);
    expect(announced.some((line) => line.startsWith('552 '))).toBe(true);
    const big = Buffer.alloc(messageBytesMax + 10, 'a\r\n');
    const real = await session(to('ann@example.com', 'bob@example.com'), big, '\r\n.\r\n');
    const replies = afterData(real);
    expect(replies).toHaveLength(2);
    expect(replies.every((line) => line.startsWith('552 '))).toBe(true);
    expect(await inboxOf('ann@example.com')).toEqual(before);
  });

  test('puts off recipients above the limit, and delivers to those before it', async () => {
    const before = await inboxOf('bob@example.com');
    const lines = await session(
      to('ann@example.com', 'bob@example.com', 'info@example.com', 'bob+more@example.com'),
      'Subject: many\r\n\r\nx\r\n.\r\n',
    );
    expect(lines.filter((line) => line.startsWith('4'))).toEqual(['452 4.5.3 too many recipients']);
    const replies = afterData(lines);
    expect(replies).toHaveLength(recipientsMax);
    expect(replies.every((line) => line.startsWith('250 2.0.0 sealed '))).toBe(true);
    expect(await inboxOf('bob@example.com')).toHaveLength(before.length + 1);
    // The limit is of a transaction, not of the connection.
    const next = await session(
      to('ann@example.com', 'bob@example.com', 'info@example.com'),
      'Subject: 1\r\n\r\nx\r\n.\r\n',
      to('bob+more@example.com'),
      'Subject: 2\r\n\r\nx\r\n.\r\n',
    );
    expect(next.filter((line) => line.startsWith('250 2.0.0 sealed '))).toHaveLength(4);
  });

  test('owes a reply to each accepted RCPT, to a repeated one too, and one copy to the account', async () => {
    const twice = to('ann@example.com', 'Ann@example.com');
    const before = await inboxOf('ann@example.com');
    const taken = afterData(await session(twice, 'Subject: twice\r\n\r\nx\r\n.\r\n'));
    expect(taken).toHaveLength(2);
    expect(taken[0]).toMatch(/^250 2\.0\.0 sealed /);
    expect(taken[1]).toBe(taken[0]);
    expect(await inboxOf('ann@example.com')).toHaveLength(before.length + 1);
    const big = Buffer.alloc(messageBytesMax + 10, 'a\r\n');
    const refused = afterData(await session(twice, big, '\r\n.\r\n'));
    expect(refused.map((line) => line.slice(0, 3))).toEqual(['552', '552']);
  });

  test('an unfinished message leaves nothing behind', async () => {
    const before = await inboxOf('ann@example.com');
    await new Promise<void>((resolve) => {
      const socket = net.connect(server.port, '127.0.0.1', () => {
        socket.write(`LHLO test\r\n${to('ann@example.com')}Subject: half\r\n\r\nhal`);
        setTimeout(() => {
          socket.destroy();
          resolve();
        }, 200);
      });
    });
    await session(to('ann@example.com'), 'Subject: whole\r\n\r\nx\r\n.\r\n');
    expect(await inboxOf('ann@example.com')).toHaveLength(before.length + 1);
  });

  test('without the key service mail stays with the sender, and goes in afterwards', async () => {
    const before = await inboxOf('ann@example.com');
    await node.stopKeys();
    const refused = afterData(
      await session(to('ann@example.com'), 'Subject: later\r\n\r\nx\r\n.\r\n'),
    );
    expect(refused).toHaveLength(1);
    expect(refused[0]).toMatch(/^451 4\.3\.0 /);
    expect(await inboxOf('ann@example.com')).toEqual(before);
    await node.startKeys();
    const taken = afterData(
      await session(to('ann@example.com'), 'Subject: later\r\n\r\nx\r\n.\r\n'),
    );
    expect(taken[0]).toMatch(/^250 /);
  }, 60_000);
});

test.each([
  ['192.0.2.1', 'EADDRNOTAVAIL'],
  ['999.999.999.999', expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/)],
])('a host that cannot be listened on (%s) is a matter of configuration', async (host, reason) => {
  const { mailboxes } = node.services;
  const options = { host, port: 0, messageBytesMax, recipientsMax, mailboxes, log: node.log };
  const delivery = createDelivery(node.services);
  await expect(startLmtpServer({ ...options, delivery })).rejects.toMatchObject({
    code: 'config.listener',
    fields: { listener: 'lmtp', host, port: 0, reason },
  });
});

describe('lmtpReply', () => {
  test.each([
    ['limit.message-size', 552],
    ['home.disk-full', 452],
    ['intake.busy', 451],
    ['internal', 451],
    ['integrity.tag', 451],
  ] as const)('%s is %i', (code, status) => {
    expect(lmtpReply(new PostsealError(code))).toMatchObject({ responseCode: status });
  });

  test('what is unknown is temporary, and a refusal stays what it is', () => {
    expect(lmtpReply(new TypeError('x'))).toMatchObject({ responseCode: 451 });
    const refusal = new LmtpRefusal(550, 'no');
    expect(lmtpReply(refusal)).toBe(refusal);
  });
});
