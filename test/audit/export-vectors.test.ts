// `postseal-verify open` on the vectors of docs/formats/export.md: they open, and nothing near them does.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openBody } from '../../audit/verifier/body.ts';
import type { ByteSource } from '../../audit/verifier/byte-source.ts';
import { decodeExport } from '../../audit/verifier/export-file.ts';
import { CannotRun } from '../../audit/verifier/finding.ts';
import { openLeafKey, purposes } from '../../audit/verifier/key-chain.ts';
import { openMetadata } from '../../audit/verifier/metadata.ts';
import { openFrame } from '../../audit/verifier/pack-frame.ts';
import { Refused } from '../../audit/verifier/refused.ts';
import type { Unwrap } from '../../audit/verifier/unwrap-command.ts';
import { type ExportVector, readVectors } from '../vault/formats/vector-files.ts';
import { resealed } from './exported-query.ts';
import { decrypt } from './unwrap-with-kek.ts';

const root = resolve(import.meta.dirname, '../..');
const vectors = readVectors<ExportVector>('export/vectors.json');
const named = (name: string): ExportVector => vectors.find((vector) => vector.name === name)!;
const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');

const sourceOf = (bytes: Buffer): ByteSource => ({
  length: bytes.length,
  read: (at, length) => bytes.subarray(at, at + length),
});

/** A token with the vector's key alone. */
const tokenOf =
  ({ kek, kekLabel }: ExportVector): Unwrap =>
  (request) => {
    if (request.kekLabel !== kekLabel) throw new CannotRun('no such key');
    const plain = decrypt(Buffer.from(kek, 'hex'), request);
    if (plain === undefined) throw new Refused('kek-wrap', 'tag', 'the token');
    return plain;
  };

/** Everything that the vector says is in it, as one digest. */
function openAll(v: ExportVector, file = v.export, pack = Buffer.from(v.pack, 'hex')): string {
  const from = decodeExport(Buffer.from(file, 'utf8'));
  const hash = createHash('sha256');
  for (const { content } of v.messages) {
    const record = from.records.find((row) => row.content === content);
    const row = from.bodies.find((body) => body.content === record?.content);
    if (row === undefined) throw new CannotRun('not in the export');
    const frame = openFrame(sourceOf(pack), row);
    const leaf = { ...row, purpose: purposes.dek, object: row.content };
    const message = openBody(frame, openLeafKey(from, leaf, tokenOf(v)), content);
    if (message.size !== row.size) throw new Refused('body', 'identity', 'another size');
    for (const chunk of message.chunks()) hash.update(chunk);
  }
  for (const { record } of v.metadata) {
    const metadata = openMetadata(from, record, tokenOf(v));
    if (metadata === undefined) throw new CannotRun('not in the export');
    hash.update(JSON.stringify(metadata));
  }
  return hash.digest('hex');
}

/** `ok` where it opens, whatever comes out; any error but the two of the verifier fails the test. */
function outcome(work: () => unknown): 'ok' | 'refused' | 'cannot' {
  try {
    work();
    return 'ok';
  } catch (error) {
    if (error instanceof Refused) return 'refused';
    if (error instanceof CannotRun) return 'cannot';
    throw error;
  }
}

type Tree = Record<string, unknown>;

const sealed = (object: Tree): string => resealed(JSON.stringify(object));
const objectOf = (v: ExportVector): Tree => JSON.parse(v.export.split('\n')[0] ?? '') as Tree;

interface Leaf {
  readonly path: string;
  readonly value: string | number;
  /** The whole export with another value in this place. */
  with(value: string | number): string;
}

function leavesOf(v: ExportVector): Leaf[] {
  const whole = objectOf(v);
  const walk = (node: unknown, path: string, put: (value: unknown) => void): Leaf[] => {
    if (typeof node === 'string' || typeof node === 'number') {
      const change = (value: string | number): string => {
        put(value);
        const text = sealed(whole);
        put(node);
        return text;
      };
      return [{ path: path.replaceAll(/\.\d+/g, ''), value: node, with: change }];
    }
    return Object.entries(node as Tree).flatMap(([name, child]) =>
      walk(child, path === '' ? name : `${path}.${name}`, (value) => {
        (node as Tree)[name] = value;
      }),
    );
  };
  return walk(whole, '', () => undefined);
}

/** Every flipped bit, every cut; of values as long as a page one bit of each digit and fewer cuts. */
function* changesOf(value: string | number): Generator<string | number> {
  if (typeof value === 'number') {
    yield value + 1;
    yield value === 0 ? 2 : value - 1;
    return;
  }
  const long = value.length > 200;
  for (let i = 0; i < value.length; i += 1) {
    const nibble = Number.parseInt(value.charAt(i), 16);
    if (Number.isNaN(nibble)) continue;
    for (const bit of long ? [1 << (i & 3)] : [1, 2, 4, 8]) {
      yield value.slice(0, i) + (nibble ^ bit).toString(16) + value.slice(i + 1);
    }
  }
  for (let length = 0; length < value.length; length += long ? 62 : 2) yield value.slice(0, length);
  yield `${value}00`;
}

test.each(vectors)('$name: $comment', (v) => {
  expect(v.messages.length).toBeGreaterThan(0);
  expect(outcome(() => openAll(v))).toBe('ok');
});

test('every flipped bit of the file is found by its digest', () => {
  const bytes = Buffer.from(named('one').export);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] = changed[bit >> 3]! ^ (1 << (bit & 7));
    expect(outcome(() => decodeExport(changed))).toBe('refused');
  }
  for (let end = 0; end < bytes.length; end += 1) {
    expect(outcome(() => decodeExport(bytes.subarray(0, end)))).toBe('refused');
  }
});

test.each(vectors)('$name: no other value in any place opens, though the digest fits', (v) => {
  const good = openAll(v);
  const seen = new Map<string, Set<string>>();
  for (const leaf of leavesOf(v)) {
    expect(openAll(v, leaf.with(leaf.value))).toBe(good);
    for (const value of changesOf(leaf.value)) {
      const outcomes = seen.get(leaf.path) ?? new Set();
      seen.set(leaf.path, outcomes.add(outcome(() => openAll(v, leaf.with(value)))));
    }
  }
  // Which content a record has is said by the export alone (export.md), so another record's id is no lie.
  const opened = [...seen].filter(([, outcomes]) => outcomes.has('ok')).map(([path]) => path);
  expect(opened).toEqual(['records.record']);
  // What only leads elsewhere: to a key that the token does not have, or to an object that is not there.
  const elsewhere =
    /^(organisation|custodianKeys\.generation|(bodies|records)\.content|records\.record)$/;
  const unsure = [...seen].filter(
    ([path, outcomes]) => outcomes.has('cannot') && !elsewhere.test(path),
  );
  expect(unsure).toEqual([]);
});

test('no two wraps, cells or ids can be exchanged', () => {
  const v = named('metadata');
  const leaves = leavesOf(v).filter(({ value }) => typeof value === 'string');
  const groups = new Map<string, Leaf[]>();
  for (const leaf of leaves) {
    const kind = leaf.path.split('.').at(-1) ?? '';
    groups.set(kind, [...(groups.get(kind) ?? []), leaf]);
  }
  const wraps = groups.get('wrap') ?? [];
  expect(wraps).toHaveLength(7);
  const pairs = wraps.flatMap((a) => wraps.filter((b) => a !== b).map((b) => [a, b] as const));
  for (const [a, b] of pairs) expect(outcome(() => openAll(v, a.with(b.value)))).toBe('refused');
});

test('members that are missing, unknown or twice there are refused', () => {
  const v = named('one');
  const whole = objectOf(v);
  for (const name of Object.keys(whole)) {
    const rest = Object.entries(whole).filter(([other]) => other !== name);
    const file = Buffer.from(sealed(Object.fromEntries(rest)));
    expect(outcome(() => decodeExport(file))).toBe('refused');
  }
  for (const more of [{ another: 1 }, { bodies: {} }, { format: 'postseal/export/2' }]) {
    const file = Buffer.from(sealed({ ...whole, ...more }));
    expect(outcome(() => decodeExport(file))).toBe('refused');
  }
});

test('every flipped bit of the frame and of the head of its pack is refused', () => {
  const v = named('one');
  const pack = Buffer.from(v.pack, 'hex');
  const [{ offset, length } = { offset: 0, length: 0 }] = decodeExport(
    Buffer.from(v.export),
  ).bodies;
  const end = offset + 64 + length;
  expect(end).toBeGreaterThan(200);
  for (let bit = 0; bit < end * 8; bit += 1) {
    const changed = Buffer.from(pack);
    changed[bit >> 3] = changed[bit >> 3]! ^ (1 << (bit & 7));
    expect(outcome(() => openAll(v, v.export, changed))).toBe('refused');
  }
  for (let cut = 0; cut < end; cut += 1) {
    expect(outcome(() => openAll(v, v.export, pack.subarray(0, cut)))).toBe('refused');
  }
});

test('the page shows the vector', () => {
  const page = readFileSync(join(root, 'docs/formats/export.md'), 'utf8').replaceAll(/\s/g, '');
  const { kek, export: file, pack } = named('one');
  for (const part of [kek, file, pack]) expect(page).toContain(part.replaceAll(/\s/g, ''));
});

describe('the program', () => {
  let folder: string;
  const v = named('metadata');
  const at = (name: string): string => join(folder, name);
  const put = (name: string, content: string | Buffer): void => writeFileSync(at(name), content);
  const unwrap = `'${process.execPath}' '${resolve(import.meta.dirname, 'unwrap-with-kek.ts')}' ${v.kek} '${v.kekLabel}'`;
  const run = (args: readonly string[], command = unwrap) => {
    const main = join(root, 'audit/verifier/main.ts');
    const all = [main, 'open', ...args, ...(command === '' ? [] : ['--unwrap', command])];
    const { status, stdout, stderr } = spawnSync(process.execPath, all, { cwd: folder });
    return { code: status, stdout, stderr: stderr.toString() };
  };
  const message = v.messages[1]!;
  const whole = ['good.jsonl', '--pack', 'good.pack', '--content', message.content];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'postseal-open-'));
    put('good.jsonl', v.export);
    put('good.pack', Buffer.from(v.pack, 'hex'));
    const changed = Buffer.from(v.pack, 'hex');
    changed[changed.length - 40] = changed[changed.length - 40]! ^ 1;
    put('bad.pack', changed);
    put('bad.jsonl', v.export.replace('"wrap":"01', '"wrap":"02'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('gives the bytes to standard output, or whole to a file that only its owner reads', () => {
    const out = run(whole);
    expect({ code: out.code, stderr: out.stderr }).toEqual({ code: 0, stderr: '' });
    expect(sha256(out.stdout)).toBe(message.sha256);
    const told = run([...whole, '--out', 'mail.eml', '--json']);
    expect(JSON.parse(told.stdout.toString())).toEqual({
      content: message.content,
      octets: message.length,
      sha256: message.sha256,
      out: 'mail.eml',
    });
    expect(sha256(readFileSync(at('mail.eml')))).toBe(message.sha256);
    expect(statSync(at('mail.eml')).mode & 0o777).toBe(0o600);
  });

  test('takes a body by itself, and a frame at another place', () => {
    const [, row] = decodeExport(Buffer.from(v.export)).bodies;
    const pack = Buffer.from(v.pack, 'hex');
    const payload = row!.offset + 32;
    put('body', pack.subarray(payload, payload + row!.length));
    const byBody = run(['good.jsonl', '--body', 'body', '--content', message.content]);
    expect(sha256(byBody.stdout)).toBe(message.sha256);
    const compacted = Buffer.concat([pack.subarray(0, 32), pack.subarray(row!.offset)]);
    put('compacted.pack', compacted);
    const place = ['good.jsonl', '--pack', 'compacted.pack', '--content', message.content];
    expect(run(place).code).toBe(70);
    expect(sha256(run([...place, '--offset', '32']).stdout)).toBe(message.sha256);
  });

  test.each([0, 1, 2])('prints metadata %i', (i) => {
    const { record, payload } = v.metadata[i]!;
    const out = run(['good.jsonl', '--metadata', '--record', record]);
    // The third record is in the page, but the export does not name it: it was not asked for.
    if (i === 2) {
      expect(out.code).toBe(1);
      return;
    }
    const { header } = JSON.parse(out.stdout.toString()) as { header: string };
    expect(header).toMatch(/^Subject: \w+\r\n$/);
    expect(Buffer.from(payload, 'hex').includes(header)).toBe(true);
  });

  test.each<[number, string, readonly string[], string, RegExp]>([
    [
      70,
      'a changed pack',
      ['good.jsonl', '--pack', 'bad.pack', '--record', v.metadata[1]!.record],
      unwrap,
      /pack: digest of the frame \(tag\)/,
    ],
    [
      70,
      'a changed export',
      ['bad.jsonl', '--pack', 'good.pack'],
      unwrap,
      /export: digest of line 1 \(tag\)/,
    ],
    [70, 'a token that refuses', whole, 'exit 70', /kek-wrap: the token does not open it \(tag\)/],
    [70, 'the answer of another key', whole, `echo ${'00'.repeat(32)}`, /wrap: .* \(tag\)/],
    [70, 'an answer of another length', whole, 'echo 00', /kek-wrap: .* \(tag\)/],
    [1, 'a token without the key', whole, unwrap.replace(/\d'$/, "9'"), /command ended with 3/],
    [1, 'an answer that is no hex', whole, 'echo hello', /did not answer one line of hex/],
    [1, 'a command that is not there', whole, '/nowhere/unwrap', /command ended with 127/],
    [
      1,
      'no such file',
      ['none.jsonl', '--pack', 'good.pack'],
      unwrap,
      /none\.jsonl cannot be read/,
    ],
    [
      1,
      'no such pack',
      ['good.jsonl', '--packs', '.', '--content', message.content],
      unwrap,
      /\.pack cannot be read/,
    ],
    [
      1,
      'no place for the result',
      [...whole, '--out', 'none/mail.eml'],
      unwrap,
      /cannot be written/,
    ],
    [1, 'several messages', ['good.jsonl', '--pack', 'good.pack'], unwrap, /several/],
    [2, 'no command', whole, '', /--unwrap is needed/],
    [2, 'two places', [...whole, '--packs', '.'], unwrap, /one of --packs/],
    [2, 'an unknown option', [...whole, '--force'], unwrap, /--force/],
    [2, 'no id', ['good.jsonl', '--pack', 'good.pack', '--record', 'x'], unwrap, /uuids/],
  ])(
    'ends with %i for %s, says why in two lines and writes nothing',
    (code, _, args, command, why) => {
      const before = readdirSync(folder).sort();
      const out = run(args, command);
      const lines = out.stderr.trimEnd().split('\n').slice(-2);
      expect(out.code).toBe(code);
      expect(out.stdout).toHaveLength(0);
      expect(lines[0]).toMatch(why);
      expect(lines[0]).toMatch(/^postseal-verify: error: \S/);
      expect(lines[1]).toMatch(/^postseal-verify: hint: \S/);
      expect(out.stderr).not.toMatch(/\n {4}at /);
      expect(readdirSync(folder).sort()).toEqual(before);
    },
  );

  test('says what it takes', () => {
    const out = run(['--help'], '');
    expect({ code: out.code, stderr: out.stderr }).toEqual({ code: 0, stderr: '' });
    expect(out.stdout.toString()).toMatch(/^usage: postseal-verify open EXPORT/);
  });
});
