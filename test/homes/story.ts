// What happens in a home before it is stored: every way in, every kind of change. By the front doors only.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LmtpClient } from '../../bench/load/lmtp-client.ts';
import { RawImap } from '../e2e/raw-imap.ts';
import type { Account, TestHome, TestServer } from '../harness/server.ts';
import * as messages from './story-messages.ts';

/** RFC 9051 §A.1 (modified UTF-7): UTF-16 in base64 without padding, `,` for `/`. */
export function mailboxName(name: string): string {
  return name.replaceAll('&', '&-').replace(/[^\x20-\x7e]+/g, (run) => {
    const base64 = Buffer.from(run, 'utf16le').swap16().toString('base64');
    return `&${base64.replaceAll('=', '').replaceAll('/', ',')}-`;
  });
}

const archive = mailboxName('归档/Verträge & mehr');

async function append(
  client: RawImap,
  folder: string,
  rest: string,
  bytes: Buffer,
  prefix = '',
): Promise<void> {
  const reply = await client.literalCommand(`APPEND "${folder}" ${rest}`, bytes, prefix);
  if (reply.status !== 'OK') throw new Error(`APPEND: ${reply.text}`);
}

async function deliver(port: number, ann: Account, ben: Account): Promise<void> {
  const lmtp = await LmtpClient.connect('127.0.0.1', port);
  const to = (account: Account, bytes: Buffer): Promise<string> =>
    lmtp.deliver('sender@example.org', account.name, bytes);
  await to(ann, messages.plain);
  await to(ann, messages.withAttachment);
  await to(ann, messages.large);
  await to(ann, messages.toBoth);
  await to(ben, messages.toBoth);
  await to(ben, messages.chinese);
  await to(ann, messages.passing);
  await lmtp.quit();
}

async function liveOfAnn(client: RawImap): Promise<void> {
  await client.ok(`CREATE "${archive}"`);
  await client.ok(`SUBSCRIBE "${archive}"`);
  await client.ok('CREATE "Before"');
  await client.ok('RENAME "Before" "After"');
  await client.ok('CREATE "Passing"');
  await append(client, 'Passing', '()', messages.inDeletedFolder);
  await client.ok('DELETE "Passing"');
  const date = '"28-Feb-2026 23:59:59 -0330"';
  await append(client, 'INBOX', `(\\Seen $Broken) ${date}`, messages.malformed, '~');
  await append(client, 'Drafts', '(\\Draft)', messages.draft);
  await client.ok('SELECT INBOX');
  await client.ok('STORE 1 +FLAGS (\\Seen \\Answered $Forwarded Projekt-X)');
  await client.ok('STORE 2:3 +FLAGS.SILENT (\\Flagged Projekt-X)');
  await client.ok('STORE 3 -FLAGS (\\Flagged)');
  await client.ok(`COPY 2 "${archive}"`);
  await client.ok(`MOVE 4 "${archive}"`);
  // UID 5 after the move of UID 4: what was handed in last by LMTP.
  await client.ok('UID STORE 5 +FLAGS (\\Deleted)');
  await client.ok('UID EXPUNGE 5');
  await client.ok(`SELECT "${archive}"`);
  await client.ok('STORE 1 +FLAGS (\\Seen $Label1)');
  await manyChanges(client);
}

/** Enough changes for a snapshot of the folder, with some more behind it: 2^10 copies, four of which stay. */
async function manyChanges(client: RawImap): Promise<void> {
  await client.ok('CREATE "Many"');
  await client.ok('SELECT INBOX');
  await client.ok('COPY 1 "Many"');
  await client.ok('SELECT "Many"');
  for (let doubled = 0; doubled < 10; doubled += 1) await client.ok('COPY 1:* "Many"');
  await client.ok('STORE 1:1020 +FLAGS.SILENT (\\Deleted)');
  await client.ok('EXPUNGE');
  await client.ok('STORE 4 +FLAGS (\\Flagged Tail)');
}

async function liveOfBen(client: RawImap): Promise<void> {
  await client.ok('SELECT INBOX');
  await client.ok('STORE 1:2 +FLAGS (\\Seen)');
  await client.ok('STORE 2 -FLAGS (\\Seen)');
  await client.ok('SEARCH TEXT "Stored once"');
}

async function importInto(home: TestHome, account: Account): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'postseal-story-'));
  try {
    writeFileSync(join(folder, 'old.eml'), messages.imported);
    await home.ok(['import', 'eml', account.name, folder, '--folder', 'Imported']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Plays the story on a server that has just started for the first time; answers its accounts. */
export async function play(home: TestHome, server: TestServer): Promise<readonly Account[]> {
  const ann = await home.createAccount('ann@example.com');
  const ben = await home.createAccount('ben@example.com');
  await deliver(server.ports.lmtp, ann, ben);
  await importInto(home, ann);
  for (const [account, live] of [[ann, liveOfAnn] as const, [ben, liveOfBen] as const]) {
    const client = await RawImap.signedIn(server.ports.imaps, account);
    await live(client);
    await client.logout();
  }
  return [ann, ben];
}
