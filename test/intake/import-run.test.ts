// An import on real services: order, outcome, and that a second run stores nothing twice.
import { randomBytes, randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { frameItem } from '../../src/intake/import/import-item.ts';
import { type ImportResult, runImport } from '../../src/intake/import/import-run.ts';
import { PostsealError } from '../../src/kernel/errors.ts';
import type { SessionId } from '../../src/kernel/ids.ts';
import { type Actor, systemActor } from '../../src/ledger/event/draft.ts';
import type { Account, MailboxService } from '../../src/mailbox/types.ts';
import { type NodeServices, startNodeServices } from '../harness/node-services.ts';

const messageBytesMax = 600_000;
let node: NodeServices;
let account: Account;
let actor: Actor;

beforeAll(async () => {
  node = await startNodeServices();
  const { mailboxes } = node.services;
  account = await mailboxes.createAccount({ name: 'ann@example.com', actor: systemActor });
  actor = { ...systemActor, session: randomUUID() as string as SessionId };
}, 120_000);
afterAll(() => node.close());

async function run(
  messages: readonly Buffer[],
  how: { readonly bytesMax?: number; readonly folders?: readonly string[] } = {},
): Promise<readonly ImportResult[]> {
  const stream = (async function* () {
    for (const [i, bytes] of messages.entries()) {
      const folder = how.folders?.[i] ?? 'INBOX';
      const head = { key: `#${i}`, size: bytes.length, folder, flags: [] };
      yield* await Promise.resolve(frameItem({ head, bytes }));
    }
  })();
  const deps = { ...node.services, messageBytesMax: how.bytesMax ?? messageBytesMax };
  const results: ImportResult[] = [];
  for await (const line of runImport(deps, { account, actor, stream })) {
    if ('status' in line) results.push(line);
  }
  return results;
}

// Every fourth is large, so that it takes longer to prepare than those behind it.
const messages = Array.from({ length: 60 }, (_, i) => {
  const filler = i % 4 === 0 ? randomBytes(240_000).toString('base64') : '';
  return Buffer.from(`Subject: ${i}\r\n\r\n${filler}\r\n`);
});

test('keeps the order of the input, and a second run stores nothing', async () => {
  const uids = (await run(messages)).map((result) =>
    result.status === 'stored' ? result.uid : result.status,
  );
  expect(uids).toEqual(messages.map((_, i) => i + 1));
  expect((await run(messages)).map(({ status }) => status)).toEqual(messages.map(() => 'present'));
});

test('goes on behind an item that cannot be stored, and says at its end that there was one', async () => {
  const large = Buffer.alloc(messageBytesMax + 1, 'x');
  const small = ['one', 'two'].map((subject) => Buffer.from(`Subject: ${subject}\r\n\r\n`));
  const results = await run([small[0] ?? large, large, small[1] ?? large]);
  const ended = (await node.events()).filter(({ op }) => op === 'import.ended');
  expect(ended.map(({ out }) => out)).toEqual(['success', 'success', 'failure']);
  expect(results.map(({ status }) => status)).toEqual(['stored', 'failed', 'stored']);
});

test('that finds nothing has not succeeded, as its client says too', async () => {
  expect(await run([])).toEqual([]);
  expect((await node.events()).at(-1)).toMatchObject({ op: 'import.ended', out: 'failure' });
});

describe('an import that does not come to its end', () => {
  const item = Buffer.from('Subject: before the break\r\n\r\n');
  const head = { key: '#0', size: item.length, folder: 'INBOX', flags: [] };
  const whole = frameItem({ head, bytes: item });
  const endings = async (): Promise<{ out: string; f: { stored: number } }[]> =>
    (await node.events())
      .filter(({ op }) => op === 'import.ended')
      .map(({ text }) => JSON.parse(text) as { out: string; f: { stored: number } });
  const deps = (): Parameters<typeof runImport>[0] => ({ ...node.services, messageBytesMax });

  test('since its stream breaks, or its client leaves, is a failure in the ledger', async () => {
    const before = (await endings()).length;
    const broken = (async function* () {
      yield* whole;
      await Promise.resolve();
      throw new Error('the client is gone');
    })();
    // The item before the break may be answered or not.
    const lines = runImport(deps(), { account, actor, stream: broken });
    const toEnd = async (): Promise<void> => {
      while ((await lines.next()).done !== true);
    };
    await expect(toEnd()).rejects.toThrow('the client is gone');
    const endless = (async function* () {
      for (;;) yield* await Promise.resolve(whole);
    })();
    const left = runImport(deps(), { account, actor, stream: endless });
    await left.next();
    await left.return(undefined);
    const ended = (await endings()).slice(before);
    expect(ended.map(({ out }) => out)).toEqual(['failure', 'failure']);
  });

  test('ends after the last item that it stored, and counts every one', async () => {
    const before = (await node.events()).length;
    const broken = (async function* () {
      for (let i = 0; i < 12; i += 1) {
        const bytes = Buffer.from(`Subject: before the break ${i}\r\n\r\n`);
        yield* frameItem({ head: { ...head, key: `#${i}`, size: bytes.length }, bytes });
      }
      await Promise.resolve();
      throw new Error('the client is gone');
    })();
    const lines = runImport(deps(), { account, actor, stream: broken });
    await expect(lines.next()).rejects.toThrow('the client is gone');
    const events = (await node.events()).slice(before);
    expect(events.filter(({ op }) => op === 'mail.imported')).toHaveLength(12);
    expect(events.at(-1)?.op).toBe('import.ended');
    expect((await endings()).at(-1)).toMatchObject({ out: 'failure', f: { stored: 12 } });
  });

  test('since the account does not open, has an end too', async () => {
    const before = (await endings()).length;
    const mailboxes = Object.assign(Object.create(node.services.mailboxes) as MailboxService, {
      openAccount: () => Promise.reject(new PostsealError('key.unavailable')),
    });
    const stream = (async function* () {
      yield* await Promise.resolve(whole);
    })();
    const lines = runImport({ ...deps(), mailboxes }, { account, actor, stream });
    await expect(lines.next()).rejects.toMatchObject({ code: 'key.unavailable' });
    expect((await endings()).slice(before).map(({ out }) => out)).toEqual(['failure']);
  });
});

describe('large messages, which are stored as they come', () => {
  const bytesMax = 4_000_000;
  const large = (subject: string): Buffer =>
    Buffer.from(`Subject: ${subject}\r\n\r\n${randomBytes(1_200_000).toString('base64')}\r\n`);
  const packs = (): string[] =>
    readdirSync(node.home, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.pack'))
      .sort();
  /** What is not needed is deleted behind the commit. */
  const packsOf = async (count: number): Promise<string[]> => {
    for (let tries = 0; tries < 200 && packs().length !== count; tries += 1) await sleep(50);
    expect(packs()).toHaveLength(count);
    return packs();
  };
  const small = Buffer.from('Subject: small among them\r\n\r\n');

  test('come between small ones in their order; two that are equal are two, and again they are present', async () => {
    const twin = large('twin');
    const messages = [large('first'), twin, small, twin];
    const before = packs().length;
    const stored = await run(messages, { bytesMax });
    expect(stored.map(({ status }) => status)).toEqual(messages.map(() => 'stored'));
    const uids = stored.map((result) => (result.status === 'stored' ? result.uid : 0));
    expect(uids).toEqual(uids.map((_, i) => (uids[0] ?? 0) + i));
    // One file each content: that of the second twin went away, and those of the second run.
    const files = await packsOf(before + 2);
    const again = await run(messages, { bytesMax });
    expect(again.map(({ status }) => status)).toEqual(messages.map(() => 'present'));
    expect(await packsOf(before + 2)).toEqual(files);
  });

  test('that cannot be stored do not hold up those behind them', async () => {
    const folders = ['INBOX', 'a//b', 'INBOX'];
    const results = await run([large('fine'), large('no folder'), small], { bytesMax, folders });
    expect(results.map(({ status }) => status)).toEqual(['stored', 'failed', 'present']);
  });
});
