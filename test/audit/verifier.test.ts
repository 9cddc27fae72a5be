// The auditor's verifier as a program: on the shared vectors, on a ledger that the real sequencer wrote,
// and on every single-file change of it.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeCanonical } from '../../audit/verifier/canonical.ts';
import {
  chainHash,
  chainStart,
  GrowingTree,
  leafHash,
  provesInclusion,
} from '../../audit/verifier/hashes.ts';
import { indexOf, indexPath, tileOf } from '../../audit/verifier/layout.ts';
import { openCheckpoint, readKey } from '../../audit/verifier/note.ts';
import { BootNumbers } from '../../audit/verifier/numbers.ts';
import { verifyDirectory } from '../../audit/verifier/verify-directory.ts';
import { ledgerProof } from '../../src/ledger/query/ledger-proof.ts';
import { openTileFiles } from '../../src/ledger/tiles/tile-files.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';
import {
  type LedgerFixture,
  newHome,
  openLedgerFixture,
  someDraft,
} from '../ledger/ledger-fixture.ts';

const root = resolve(import.meta.dirname, '../..');
const program = join(root, 'audit/verifier/main.ts');
const vectors = join(root, 'test/vectors/ledger');

interface TreeVectors {
  readonly leaves: string[];
  readonly roots: string[];
  readonly chains: string[];
  readonly inclusion: { readonly index: number; readonly size: number; readonly proof: string[] }[];
  readonly paths: Record<string, string> | [number, string][];
}
const tree = JSON.parse(readFileSync(join(vectors, 'tree.json'), 'utf8')) as TreeVectors;

describe('the shared vectors', () => {
  test('roots and chains grow as they say', () => {
    const growing = new GrowingTree();
    let chain: Buffer = chainStart;
    expect(growing.root().toString('hex')).toBe(tree.roots[0]);
    for (const [i, leaf] of tree.leaves.entries()) {
      const hash = leafHash(Buffer.from(leaf, 'hex'));
      growing.add(hash);
      chain = chainHash(chain, hash);
      expect(growing.root().toString('hex')).toBe(tree.roots[i + 1]);
      expect(chain.toString('hex')).toBe(tree.chains[i]);
    }
  });

  test('every inclusion proof leads to its root and to no other', () => {
    expect(tree.inclusion.length).toBeGreaterThan(0);
    for (const { index, size, proof } of tree.inclusion) {
      const hash = leafHash(Buffer.from(tree.leaves[index]!, 'hex'));
      const steps = proof.map((step) => Buffer.from(step, 'hex'));
      const claim = { index, size, hash, root: Buffer.from(tree.roots[size]!, 'hex') };
      expect(provesInclusion(claim, steps)).toBe(true);
      expect(provesInclusion({ ...claim, root: leafHash(claim.root) }, steps)).toBe(false);
      if (steps.length > 0) expect(provesInclusion(claim, steps.slice(1))).toBe(false);
    }
  });

  test('index paths go both ways', () => {
    for (const n of [0, 7, 999, 1000, 1234067]) expect(indexOf(indexPath(n))).toBe(n);
    expect(indexPath(1234067)).toBe('x001/x234/067');
    expect(indexOf('x000/001')).toBeUndefined();
    expect(tileOf('tile/0/x001/067.p/256')).toBeUndefined();
    expect(tileOf('tile/00/067')).toBeUndefined();
  });

  test('canonical JSON is accepted and every other spelling is not', () => {
    const good = '{"a":[1,-2,true,null],"b":"\\u0001\\n\\"é"}';
    expect(decodeCanonical(Buffer.from(good))).toBeDefined();
    for (const bad of [
      '{"b":1,"a":2}',
      '{"a":1.0}',
      '{"a":-0}',
      '{"a": 1}',
      '{"a":1e2}',
      '{"a":"\\u00e9"}',
      '{"a":1,"a":1}',
      '{"a":9007199254740993}',
      '[1]',
      'null',
    ]) {
      expect([bad, decodeCanonical(Buffer.from(bad))]).toEqual([bad, undefined]);
    }
  });
});

describe('BootNumbers', () => {
  const leaf = (q: number, more: object = {}): Record<string, never> =>
    ({
      op: 'x',
      ts: '2026-01-01T00:00:00.000000Z',
      prod: { boot: 'b', node: 'n', q },
      ...more,
    }) as never;

  test('a missing number is a gap unless a void names it', () => {
    const numbers = new BootNumbers();
    for (const q of [1, 2, 5, 9]) expect(numbers.add(leaf(q))).toBeUndefined();
    numbers.add(
      leaf(10, {
        op: 'audit.void',
        f: {
          q: [
            [3, 3],
            [6, 7],
          ],
        },
      }),
    );
    expect(numbers.gaps().map((gap) => gap.what)).toEqual([
      'number 4 is missing',
      'number 8 is missing',
    ]);
    expect(numbers.add(leaf(5))).toContain('second time');
  });

  test('a void over a huge range costs nothing', () => {
    const numbers = new BootNumbers();
    numbers.add(leaf(1, { op: 'audit.void', f: { q: [[1, 2 ** 52]] } }));
    numbers.add(leaf(2 ** 50));
    expect(numbers.gaps()).toEqual([]);
  });
});

describe('a ledger of the real sequencer', () => {
  let db: TestDatabase;
  let fixture: LedgerFixture;
  const home = newHome();
  const dir = join(home, 'ledger');
  const keyFile = join(home, 'key.der');
  const copy = join(home, 'copy');

  const run = (...args: string[]): { code: number | null; out: string } => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
      encoding: 'utf8',
    });
    return { code: status, out: `${stdout}${stderr}` };
  };

  beforeAll(async () => {
    db = await startTestDatabase();
    fixture = await openLedgerFixture(db.database, home);
    const sequencer = fixture.sequencer();
    sequencer.start();
    for (let round = 0; round < 6; round += 1) {
      await fixture.record(Array.from({ length: 100 }, (_, i) => someDraft(round * 100 + i)));
      await sequencer.publish();
    }
    await sequencer.stop();
    writeFileSync(keyFile, fixture.key.spki);
    writeFileSync(join(dir, 'public-key.der'), fixture.key.spki);
  }, 60_000);
  afterAll(async () => {
    await db.drop();
    rmSync(home, { recursive: true, force: true });
  });

  test('is clean, and says whose key it used', () => {
    const own = run(dir);
    expect(own).toMatchObject({ code: 0 });
    expect(own.out).toContain('compare the fingerprint');
    const given = run(dir, '--key', keyFile, '--json');
    expect(given.code).toBe(0);
    expect(JSON.parse(given.out)).toMatchObject({ verdict: 'clean', findings: [] });
  });

  test.each([[['--help']], [['-h']], [['open', '--help']], [['open', '-h']]])(
    'tells on standard output how it is used: %j',
    (args) => {
      expect(run(...args)).toEqual({ code: 0, out: expect.stringMatching(/^usage: /) });
    },
  );

  test('as npx postseal-verify, from any folder of the checkout, with the exit codes of the contract', () => {
    const npx = (...args: string[]): { code: number | null; out: string } => {
      const { status, stdout, stderr } = spawnSync('npx', ['--no', 'postseal-verify', ...args], {
        encoding: 'utf8',
        cwd: join(root, 'audit'),
      });
      return { code: status, out: `${stdout}${stderr}` };
    };
    expect(npx(dir)).toEqual({ code: 0, out: expect.stringMatching(/^clean$/m) });
    rmSync(copy, { recursive: true, force: true });
    cpSync(dir, copy, { recursive: true });
    rmSync(join(copy, 'tile', 'entries', '000'));
    expect(npx(copy)).toEqual({ code: 2, out: expect.stringMatching(/^tampered: /m) });
    expect(npx(join(home, 'nowhere'))).toMatchObject({ code: 1 });
    expect(npx()).toEqual({ code: 1, out: expect.stringContaining('usage: postseal-verify') });
  });

  test('a changed byte in any file is tampering, and the file or what it holds is named', () => {
    const names = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter(
      (name) => statSync(join(dir, name)).isFile() && name !== 'public-key.der',
    );
    expect(names.length).toBeGreaterThan(5);
    const key = readKey(readFileSync(keyFile));
    for (const name of names) {
      const path = join(dir, name);
      const bytes = readFileSync(path);
      for (const at of [0, bytes.length >> 1, bytes.length - 1]) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ 1;
        writeFileSync(path, changed);
        const { verdict, findings } = verifyDirectory(dir, key);
        expect([name, at, verdict]).toEqual([name, at, 'tampered']);
        expect(findings.length).toBeGreaterThan(0);
      }
      writeFileSync(path, bytes);
    }
    expect(verifyDirectory(dir, key).verdict).toBe('clean');
  });

  test('a missing, an added and a foreign file are tampering', () => {
    rmSync(copy, { recursive: true, force: true });
    cpSync(dir, copy, { recursive: true });
    mkdirSync(join(copy, 'notes'));
    writeFileSync(join(copy, 'notes', 'x'), 'y');
    expect(run(copy, '--key', keyFile)).toMatchObject({ code: 2 });
    rmSync(join(copy, 'notes'), { recursive: true });
    expect(run(copy, '--key', keyFile)).toMatchObject({ code: 0 });
    rmSync(join(copy, 'tile', 'entries', '000'));
    const missing = run(copy, '--key', keyFile);
    expect(missing.code).toBe(2);
    expect(missing.out).toContain('tile/entries/000');
  });

  test('another key is tampering; what is no ledger could not be checked', () => {
    const other = execFileSync('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout']);
    const der = execFileSync('openssl', ['ec', '-pubout', '-outform', 'DER'], {
      input: other,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    writeFileSync(join(home, 'other.der'), der);
    expect(run(dir, '--key', join(home, 'other.der'))).toMatchObject({ code: 2 });
    expect(run(join(home, 'nowhere'), '--key', keyFile)).toMatchObject({ code: 1 });
    expect(run()).toMatchObject({ code: 1 });
    const opened = openCheckpoint(readFileSync(join(dir, 'checkpoint')), readKey(der));
    expect(opened).toBe('not signed by this key');
  });

  test('a proof of the server verifies with its own leaf and with no other', async () => {
    const proof = join(home, 'x.tlog-proof');
    writeFileSync(proof, await ledgerProof(openTileFiles(dir), 300));
    const bundle = readFileSync(join(dir, 'tile', 'entries', '001'));
    let at = 0;
    for (let i = 256; i < 300; i += 1) at += 2 + bundle.readUInt16BE(at);
    const leaf = bundle.subarray(at + 2, at + 2 + bundle.readUInt16BE(at));
    writeFileSync(join(home, 'leaf'), leaf);
    const args = ['proof', proof, '--leaf', join(home, 'leaf'), '--key', keyFile];
    expect(run(...args)).toMatchObject({ code: 0 });
    writeFileSync(join(home, 'leaf'), Buffer.concat([leaf, Buffer.from(' ')]));
    expect(run(...args)).toMatchObject({ code: 2 });
  });
});
