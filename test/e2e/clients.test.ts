// Ordinary mail programs against the server, over TLS: they sync, flag, move and delete. Each has an
// account of its own with the same real mail in it, delivered by LMTP.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ImapFlow } from 'imapflow';
import { LmtpClient } from '../../bench/load/lmtp-client.ts';
import { corpusMessages, toCrlf } from '../harness/corpus.ts';
import { describeWith } from '../harness/needs.ts';
import type { Account } from '../harness/server.ts';
import { type MailTarget, run, runOk, startMailTarget } from './mail-target.ts';

let target: MailTarget;
const mail = corpusMessages('conversations')
  .slice(0, 12)
  .map(({ bytes }) => toCrlf(bytes))
  .map((bytes) =>
    bytes.subarray(-2).toString() === '\r\n' ? bytes : Buffer.concat([bytes, Buffer.from('\r\n')]),
  );
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const lf = (bytes: Buffer): string => bytes.toString('latin1').replace(/\r\n/g, '\n');

beforeAll(async () => {
  target = await startMailTarget();
}, 120_000);
afterAll(() => target.stop());

/** A new account with the mail in its INBOX. */
async function filled(name: string): Promise<Account> {
  const account = await target.account(name);
  if (target.keepsBytes) {
    const lmtp = await LmtpClient.connect('127.0.0.1', target.lmtp);
    for (const bytes of mail) await lmtp.deliver('sender@example.org', account.name, bytes);
    await lmtp.quit();
    return account;
  }
  await look(account, async (client) => {
    for (const bytes of mail) await client.append('INBOX', bytes);
  });
  return account;
}

/** What the mailbox holds, looked at with another client. */
async function look<T>(account: Account, at: (client: ImapFlow) => Promise<T>): Promise<T> {
  const client = new ImapFlow({
    host: '127.0.0.1',
    port: target.imaps,
    secure: true,
    auth: { user: account.name, pass: account.password },
    tls: { rejectUnauthorized: false },
    logger: false,
  });
  await client.connect();
  try {
    return await at(client);
  } finally {
    await client.logout();
  }
}

async function flagsBySeq(account: Account, mailbox = 'INBOX'): Promise<string[][]> {
  return look(account, async (client) => {
    const lock = await client.getMailboxLock(mailbox);
    const out: string[][] = [];
    if (client.mailbox !== false && client.mailbox.exists > 0) {
      for await (const message of client.fetch('1:*', { flags: true })) {
        out.push([...(message.flags ?? [])].filter((flag) => flag !== '\\Recent').sort());
      }
    }
    lock.release();
    return out;
  });
}

/** Of every message, in the order of the mailbox. */
async function digestsIn(account: Account, mailbox: string): Promise<string[]> {
  return look(account, async (client) => {
    const lock = await client.getMailboxLock(mailbox);
    const out: string[] = [];
    if (client.mailbox !== false && client.mailbox.exists > 0) {
      for await (const message of client.fetch('1:*', { source: true })) {
        out.push(digest(message.source ?? Buffer.alloc(0)));
      }
    }
    lock.release();
    return out;
  });
}

describeWith(['curl'], 'curl', () => {
  test('lists, reads byte for byte, appends, flags and deletes', async () => {
    const account = await filled('curl');
    const base = `imaps://127.0.0.1:${target.imaps}`;
    const auth = ['-sS', '-k', '-u', `${account.name}:${account.password}`];
    expect((await runOk('curl', [...auth, `${base}/`])).toString()).toMatch(/\* LIST .* "?INBOX"?/);
    for (const [i, bytes] of mail.entries()) {
      const got = await runOk('curl', [...auth, `${base}/INBOX;MAILINDEX=${i + 1}`]);
      expect(digest(got)).toBe(digest(bytes));
    }
    const file = join(target.scratch, 'curl.eml');
    writeFileSync(file, mail[0]!);
    await runOk('curl', [...auth, '-T', file, `${base}/Drafts`]);
    const back = await runOk('curl', [...auth, `${base}/Drafts;MAILINDEX=1`]);
    expect(digest(back)).toBe(digest(mail[0]!));
    await runOk('curl', [...auth, `${base}/INBOX`, '-X', 'STORE 2 +FLAGS (\\Flagged \\Deleted)']);
    await runOk('curl', [...auth, `${base}/INBOX`, '-X', 'EXPUNGE']);
    expect(await flagsBySeq(account)).toHaveLength(mail.length - 1);
    const search = await runOk('curl', [...auth, `${base}/INBOX?SUBJECT%20nonesuch-word`]);
    expect(search.toString().trim()).toBe('* SEARCH');
  });
});

describeWith(['mbsync'], 'mbsync', () => {
  test('pulls everything, then carries flags, deletions and new mail back', async () => {
    const account = await filled('mbsync');
    const root = join(target.scratch, 'mbsync');
    mkdirSync(join(root, 'mail'), { recursive: true });
    const rc = join(root, 'mbsyncrc');
    writeFileSync(
      rc,
      `IMAPAccount test
Host localhost
Port ${target.imaps}
User ${account.name}
Pass "${account.password}"
SSLType IMAPS
CertificateFile ${target.certificate}

IMAPStore far
Account test

MaildirStore near
Path ${root}/mail/
Inbox ${root}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
`,
    );
    const sync = (): Promise<Buffer> => runOk('mbsync', ['-c', rc, '-a'], { env: { HOME: root } });
    await sync();
    const inbox = join(root, 'mail', 'INBOX');
    const files = (): string[] =>
      ['cur', 'new'].flatMap((part) =>
        readdirSync(join(inbox, part)).map((name) => join(part, name)),
      );
    expect(files()).toHaveLength(mail.length);
    // mbsync adds an X-TUID line to each message that it carries; the rest is compared.
    const pulled = files()
      .map((name) => readFileSync(join(inbox, name), 'latin1').replace(/^X-TUID: .{12}\n/m, ''))
      .sort();
    expect(pulled).toEqual(mail.map(lf).sort());
    const [first = '', second = ''] = files();
    const flagged = `cur/${(first.split('/')[1] ?? '').replace(/:2,.*$/, '')}:2,FS`;
    renameSync(join(inbox, first), join(inbox, flagged));
    rmSync(join(inbox, second));
    writeFileSync(join(inbox, 'new', '1.fresh.host'), 'Subject: made locally\n\nhello\n');
    await sync();
    const flags = await flagsBySeq(account);
    expect(flags).toHaveLength(mail.length);
    expect(flags.filter((set) => set.includes('\\Flagged') && set.includes('\\Seen'))).toHaveLength(
      1,
    );
    await sync();
    expect(files()).toHaveLength(mail.length);
  });
});

describeWith(['offlineimap'], 'offlineimap', () => {
  test('pulls everything and pushes a flag and a deletion', async () => {
    const account = await filled('offlineimap');
    const root = join(target.scratch, 'offlineimap');
    mkdirSync(root, { recursive: true });
    const rc = join(root, 'offlineimaprc');
    writeFileSync(
      rc,
      `[general]
accounts = test
metadata = ${root}/meta
ui = quiet
[Account test]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = ${root}/mail
[Repository far]
type = IMAP
remotehost = localhost
remoteport = ${target.imaps}
remoteuser = ${account.name}
remotepass = ${account.password}
ssl = yes
sslcacertfile = ${target.certificate}
folderfilter = lambda name: name == 'INBOX'
`,
    );
    const sync = (): Promise<Buffer> =>
      runOk('offlineimap', ['-c', rc, '-o'], { env: { HOME: root } });
    await sync();
    const inbox = join(root, 'mail', 'INBOX');
    const files = (): string[] =>
      ['cur', 'new'].flatMap((part) =>
        readdirSync(join(inbox, part)).map((name) => join(part, name)),
      );
    expect(files()).toHaveLength(mail.length);
    const [first = '', second = ''] = files();
    const flagged = `cur/${(first.split('/')[1] ?? '').replace(/:2,.*$/, '')}:2,FS`;
    renameSync(join(inbox, first), join(inbox, flagged));
    rmSync(join(inbox, second));
    await sync();
    const flags = await flagsBySeq(account);
    expect(flags).toHaveLength(mail.length - 1);
    expect(flags.filter((set) => set.includes('\\Flagged'))).toHaveLength(1);
  });
});

describeWith(['mutt'], 'mutt', () => {
  test('opens the mailbox, flags, copies and moves to other folders, deletes and syncs', async () => {
    const account = await filled('mutt');
    const root = join(target.scratch, 'mutt');
    mkdirSync(root, { recursive: true });
    const rc = join(root, 'muttrc');
    const user = account.name.replace('@', '%40');
    writeFileSync(
      rc,
      `set imap_user="${account.name}"
set imap_pass="${account.password}"
set ssl_starttls=no
set ssl_force_tls=yes
set certificate_file="${target.certificate}"
set ssl_verify_host=no
set folder="imaps://${user}@127.0.0.1:${target.imaps}/"
set spoolfile="+INBOX"
set header_cache=
set confirmcreate=no confirmappend=no delete=yes move=no quit=yes copy=no wait_key=no
set sort=mailbox-order
unset imap_passive
push "<first-entry><flag-message><first-entry><copy-message>=Archive<enter><jump>3<enter><save-message>=Trash<enter><last-entry><delete-message><sync-mailbox><quit>"
`,
    );
    const command = `mutt -n -F ${rc} -f +INBOX`;
    await runOk('script', ['-qec', command, '/dev/null'], {
      env: { HOME: root, TERM: 'xterm', LINES: '40', COLUMNS: '120' },
    });
    const flags = await flagsBySeq(account);
    expect(flags).toHaveLength(mail.length - 2);
    expect(flags[0]).toContain('\\Flagged');
    expect(await digestsIn(account, 'Archive')).toEqual([digest(mail[0]!)]);
    // What was saved elsewhere has left INBOX, and so has the last one.
    expect(await digestsIn(account, 'Trash')).toEqual([digest(mail[2]!)]);
    const kept = mail.filter((_, i) => i !== 2 && i !== mail.length - 1);
    expect(await digestsIn(account, 'INBOX')).toEqual(kept.map(digest));
  });
});

describe('imapflow', () => {
  test('reads structure and bytes, flags, moves, deletes, searches and waits for new mail', async () => {
    const account = await filled('imapflow');
    await look(account, async (client) => {
      const lock = await client.getMailboxLock('INBOX');
      const got: string[] = [];
      for await (const message of client.fetch('1:*', {
        source: true,
        envelope: true,
        bodyStructure: true,
        size: true,
      })) {
        got.push(digest(message.source ?? Buffer.alloc(0)));
        expect(message.size).toBe(message.source?.length);
        expect(message.bodyStructure?.type).toMatch(/\//);
        expect(message.envelope?.from?.length).toBeGreaterThan(0);
      }
      expect(got).toEqual(mail.map(digest));
      await client.messageFlagsAdd('1:2', ['\\Seen', '$Work']);
      expect(await client.search({ keyword: '$Work' }, { uid: false })).toEqual([1, 2]);
      expect(await client.search({ seen: false }, { uid: false })).toHaveLength(mail.length - 2);
      const moved = await client.messageMove('1:2', 'Archive');
      expect(moved === false ? 0 : moved.uidMap?.size).toBe(2);
      await client.messageDelete('1');
      expect(client.mailbox === false ? 0 : client.mailbox.exists).toBe(mail.length - 3);
      const arrived = new Promise<number>((done) => client.on('exists', (e) => done(e.count)));
      const idling = client.idle();
      const lmtp = await LmtpClient.connect('127.0.0.1', target.lmtp);
      await lmtp.deliver('sender@example.org', account.name, mail[3]!);
      await lmtp.quit();
      expect(await arrived).toBe(mail.length - 2);
      await client.noop();
      await idling;
      lock.release();
      await client.mailboxCreate('Projects/Größe 2026 📦');
      const names = (await client.list()).map(({ path }) => path);
      expect(names).toContain('Projects/Größe 2026 📦');
      await client.mailboxRename('Projects/Größe 2026 📦', 'Projects/done & gone');
      await client.mailboxDelete('Projects/done & gone');
    });
    expect(await flagsBySeq(account, 'Archive')).toEqual([
      ['$Work', '\\Seen'],
      ['$Work', '\\Seen'],
    ]);
  });
});

describeWith(['python3'], "Python's imaplib", () => {
  test('speaks to every basic command', async () => {
    const account = await filled('imaplib');
    const script = `
import hashlib, imaplib, ssl, sys, json
context = ssl.create_default_context(cafile=${JSON.stringify(target.certificate)})
context.check_hostname = False
m = imaplib.IMAP4_SSL('127.0.0.1', ${target.imaps}, ssl_context=context)
m.login(${JSON.stringify(account.name)}, ${JSON.stringify(account.password)})
out = {}
typ, n = m.select('INBOX'); out['exists'] = int(n[0])
typ, data = m.uid('SEARCH', None, 'ALL'); uids = data[0].split()
out['digests'] = []
for uid in uids:
    typ, data = m.uid('FETCH', uid, '(RFC822.SIZE BODY.PEEK[])')
    body = data[0][1]
    assert ('RFC822.SIZE %d ' % len(body)).encode() in data[0][0], data[0][0]
    out['digests'].append(hashlib.sha256(body).hexdigest())
typ, data = m.fetch('1', '(BODY.PEEK[HEADER.FIELDS (SUBJECT)])'); out['subject'] = typ
typ, data = m.store('1', '+FLAGS', '(\\\\Answered Custom)'); out['flags'] = data[0].decode()
typ, data = m.copy('1:3', 'Archive'); out['copy'] = typ; m.response('COPYUID')
typ, data = m.status('Archive', '(MESSAGES)'); out['status'] = data[0].decode()
typ, data = m.uid('MOVE', b','.join(uids[1:3]), 'Trash'); out['move'] = typ
out['moved'] = len(m.response('EXPUNGE')[1])
out['copyuid'] = m.response('COPYUID')[1][0].decode()
typ, data = m.create('Made'); typ, data = m.subscribe('Made'); typ, data = m.lsub('""', '*')
out['lsub'] = any(b'Made' in line for line in data)
m.append('Made', '(\\\\Seen)', None, b'Subject: appended\\r\\n\\r\\nbody\\r\\n')
m.store('1', '+FLAGS', '(\\\\Deleted)')
typ, data = m.expunge(); out['expunged'] = [d.decode() for d in data]
m.close(); m.unsubscribe('Made'); m.delete('Made'); m.logout()
print(json.dumps(out))
`;
    const out = JSON.parse((await runOk('python3', ['-c', script])).toString()) as Record<
      string,
      unknown
    >;
    expect(out).toMatchObject({
      exists: mail.length,
      digests: mail.map(digest),
      subject: 'OK',
      copy: 'OK',
      move: 'OK',
      moved: 2,
      copyuid: expect.stringMatching(/^\d+ 2:3 1:2$/),
      lsub: true,
      expunged: ['1'],
    });
    expect(await digestsIn(account, 'Trash')).toEqual(mail.slice(1, 3).map(digest));
    expect(await digestsIn(account, 'INBOX')).toEqual(mail.slice(3).map(digest));
    expect(out['flags']).toContain('Custom');
    expect(out['status']).toContain('MESSAGES 3');
  });
});

describeWith(['curl'], 'a wrong password', () => {
  test('is refused by every door with one clear answer', async () => {
    const account = await target.account('refused');
    const { code, stderr } = await run('curl', [
      '-sS',
      '-k',
      '-u',
      `${account.name}:not the password`,
      `imaps://127.0.0.1:${target.imaps}/`,
    ]);
    expect(code).toBe(67);
    expect(stderr).toContain('Login denied');
  });
});
