// A message leaves a real home without the home's help: mail comes in by LMTP, the wraps go out by the query
// of docs/formats/export.md, and `postseal-verify open` gives the bytes back from packs, wraps and a token.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LmtpClient } from '../../bench/load/lmtp-client.ts';
import { withDatabase } from '../e2e/home-database.ts';
import { describeIf, findProgram } from '../harness/needs.ts';
import { createTestHome } from '../harness/server.ts';
import { moduleOf } from '../harness/token.ts';
import { exportWraps, resealed } from './exported-query.ts';

const root = resolve(import.meta.dirname, '../..');
const softhsm = moduleOf('softhsm2');
const python = findProgram('python3');

const lines = (count: number): string =>
  Array.from({ length: count }, (_, i) => `${i} ${((i * 2_654_435_761) % 2 ** 32).toString(36)}`)
    .join('\r\n.')
    .concat('\r\n');
const mail = (subject: string, body: string): Buffer =>
  Buffer.from(`From: a@example.org\r\nSubject: ${subject}\r\n\r\n${body}`, 'latin1');
/** One chunk, many chunks, and a file of its own. */
const mails = [
  mail('short', 'Gr\u00fc\u00dfe.\r\n'),
  mail('chunks', lines(20_000)),
  mail('large', lines(150_000)),
];

interface Place {
  readonly record: string;
  readonly size: number;
}

const ready = softhsm !== undefined && python !== undefined;
describeIf(ready, 'no SoftHSM or no python3 on this machine', 'open', () => {
  let folder: string;
  let places: Place[];
  let wraps: string;

  /** `postseal-verify open` where nothing of the server is: no home, no database, no configuration. */
  const open = (args: readonly string[]) => {
    const token = `--module '${softhsm}' --token postseal --pin-file user.pin`;
    const unwrap = `python3 '${join(root, 'audit/verifier/unwrap-pkcs11.py')}' ${token}`;
    const main = join(root, 'audit/verifier/main.ts');
    const noPacks = args.includes('--metadata') || args.includes('--body');
    const from = noPacks ? [] : ['--packs', 'packs'];
    const all = [main, 'open', ...args, ...from, '--unwrap', unwrap];
    const env = { PATH: process.env['PATH'], SOFTHSM2_CONF: join(folder, 'softhsm2.conf') };
    const options = { cwd: folder, env, maxBuffer: 1 << 28 };
    const { status, stdout, stderr } = spawnSync(process.execPath, all, options);
    return { code: status, stdout, stderr: stderr.toString() };
  };
  const recordOf = (message: Buffer): string =>
    places.find(({ size }) => size === message.length)?.record ?? 'none';

  beforeAll(async () => {
    const home = createTestHome({
      workers: 1,
      keys: { store: 'pkcs11', pkcs11: { profile: 'softhsm2', module: softhsm } },
    });
    const server = await home.start();
    const account = await home.createAccount('leaver@example.com');
    const lmtp = await LmtpClient.connect('127.0.0.1', server.ports.lmtp);
    for (const message of mails) await lmtp.deliver('a@example.org', account.name, message);
    await lmtp.quit();
    await withDatabase(home.home, async (query) => {
      const rows = await query('SELECT custodian_id, record_id, size FROM public.record');
      places = rows.map((row) => ({ record: String(row['record_id']), size: Number(row['size']) }));
      const custodian = String(rows[0]?.['custodian_id']);
      wraps = await exportWraps(
        query,
        custodian,
        places.map(({ record }) => record),
      );
    });
    expect(await server.stop()).toBe(0);
    folder = mkdtempSync(join(tmpdir(), 'postseal-leaver-'));
    for (const name of ['token', 'user.pin']) {
      cpSync(join(home.home, 'keys', name), join(folder, name), { recursive: true });
    }
    cpSync(join(home.home, 'packs'), join(folder, 'packs'), { recursive: true });
    home.remove();
    const conf = `directories.tokendir = ${join(folder, 'token')}\nobjectstore.backend = file\nlog.level = ERROR\n`;
    writeFileSync(join(folder, 'softhsm2.conf'), conf);
    writeFileSync(join(folder, 'export.jsonl'), wraps);
  }, 180_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each([0, 1, 2])('gives message %i back bit for bit', (i) => {
    const message = mails[i]!;
    const out = open(['export.jsonl', '--record', recordOf(message)]);
    expect({ code: out.code, stderr: out.stderr }).toEqual({ code: 0, stderr: '' });
    expect(out.stdout.equals(message)).toBe(true);
    const file = open(['export.jsonl', '--record', recordOf(message), '--out', `${i}.eml`]);
    expect(file.code).toBe(0);
    expect(readFileSync(join(folder, `${i}.eml`)).equals(message)).toBe(true);
  });

  test('gives the metadata of a message', () => {
    const out = open(['export.jsonl', '--metadata', '--record', recordOf(mails[0]!)]);
    expect(out.stderr).toBe('');
    expect(JSON.parse(out.stdout.toString())).toMatchObject({
      record: recordOf(mails[0]!),
      truncated: false,
      header: 'From: a@example.org\r\nSubject: short\r\n',
      envelope: ['a@example.org', 'leaver@example.com'],
    });
  });

  test('refuses a wrap of which a bit is another one, on each step of the way', () => {
    const [line = ''] = wraps.split('\n');
    const names = ['custodianKeys', 'groupKeys', 'bodies'] as const;
    for (const name of names) {
      const whole = JSON.parse(line) as Record<(typeof names)[number], { wrap: string }[]>;
      for (const row of whole[name])
        row.wrap = `${row.wrap.slice(0, -1)}${row.wrap.endsWith('0') ? '1' : '0'}`;
      writeFileSync(join(folder, 'changed.jsonl'), resealed(JSON.stringify(whole)));
      const out = open(['changed.jsonl', '--record', recordOf(mails[0]!)]);
      expect(out.stderr).toMatch(/^postseal-verify: error: refused: (kek-)?wrap: .* \(tag\)$/m);
      expect({ code: out.code, bytes: out.stdout.length }).toEqual({ code: 70, bytes: 0 });
    }
  });

  test('refuses a wrap of another message, and another message in its place', () => {
    const [line = ''] = wraps.split('\n');
    for (const name of ['wrap', 'content'] as const) {
      const whole = JSON.parse(line) as { bodies: { wrap: string; content: string }[] };
      const [a, b] = whole.bodies;
      [a![name], b![name]] = [b![name], a![name]];
      writeFileSync(join(folder, 'swapped.jsonl'), resealed(JSON.stringify(whole)));
      for (const { content } of [a!, b!]) {
        const out = open(['swapped.jsonl', '--content', content]);
        expect({ name, code: out.code, bytes: out.stdout.length }).toEqual({
          name,
          code: 70,
          bytes: 0,
        });
      }
    }
  });

  test('refuses packs of which a byte of the message is another one', () => {
    const { bodies, records } = JSON.parse(wraps.split('\n')[0] ?? '') as {
      bodies: { content: string; pack: string; offset: number; length: number }[];
      records: { record: string; content: string }[];
    };
    expect(bodies.length).toBe(records.length + 1);
    for (const { content, pack, offset, length } of bodies) {
      const direct = records.find((row) => row.content === content)?.record;
      // The lines of the second message are a part of it, which no record names.
      const record = direct ?? recordOf(mails[1]!);
      const path = join(folder, 'packs', pack.slice(0, 2), `${pack}.pack`);
      const good = readFileSync(path);
      const bad = Buffer.from(good);
      const at = offset + 32 + Math.floor(length / 2);
      bad[at] = bad[at]! ^ 4;
      writeFileSync(path, bad);
      const out = open(['export.jsonl', '--record', record, '--out', 'bad.eml']);
      writeFileSync(path, good);
      expect(out.stderr).toMatch(
        /^postseal-verify: error: refused: pack: digest of the frame \(tag\)\n/,
      );
      expect(out.code).toBe(70);
      expect(existsSync(join(folder, 'bad.eml'))).toBe(false);
      if (direct === undefined) continue;
      // The pack's digest needs no key, so who changes a pack can mend it; the tag of the chunk cannot be.
      const body = join(folder, 'body');
      writeFileSync(body, bad.subarray(offset + 32, offset + 32 + length));
      const alone = open(['export.jsonl', '--record', record, '--body', 'body']);
      expect(alone.stderr).toMatch(
        /^postseal-verify: error: refused: body: data chunk \d+ \(tag\)\n/,
      );
      expect({ code: alone.code, bytes: alone.stdout.length }).toEqual({ code: 70, bytes: 0 });
    }
  });

  test('a token that is away or knows no such key is no finding about the bytes', () => {
    renameSync(join(folder, 'token'), join(folder, 'away'));
    const away = open(['export.jsonl', '--record', recordOf(mails[0]!)]);
    renameSync(join(folder, 'away'), join(folder, 'token'));
    expect(away.code).toBe(1);
    expect(away.stderr).toMatch(
      /^unwrap-pkcs11: \S.*\npostseal-verify: error: the unwrapping command ended with 1\n/,
    );
    const later = wraps.split('\n')[0]!.replace(/"generation" ?: ?1\b/, '"generation" : 2');
    writeFileSync(join(folder, 'later.jsonl'), resealed(later));
    const none = open(['later.jsonl', '--record', recordOf(mails[0]!)]);
    expect(none.code).toBe(1);
    expect(none.stderr).toMatch(/the token has 0 keys of this name/);
  });
});
