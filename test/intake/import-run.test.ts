// An import on real services: order, outcome, and that a second run stores nothing twice.
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { frameItem } from '../../src/intake/import/import-item.ts';
import { type ImportResult, runImport } from '../../src/intake/import/import-run.ts';
import type { SessionId } from '../../src/kernel/ids.ts';
import { type Actor, systemActor } from '../../src/ledger/event/draft.ts';
import type { Account } from '../../src/mailbox/types.ts';
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

async function run(messages: readonly Buffer[]): Promise<readonly ImportResult[]> {
  const stream = (async function* () {
    for (const [i, bytes] of messages.entries()) {
      const head = { key: `#${i}`, size: bytes.length, folder: 'INBOX', flags: [] };
      yield await Promise.resolve(frameItem({ head, bytes }));
    }
  })();
  const deps = { ...node.services, messageBytesMax };
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
