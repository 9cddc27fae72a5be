// How fast bodies and cells are sealed and opened, beside the bare node:crypto and zstd calls that any
// such format needs. usage: node bench/vault-formats.ts    (prints a Markdown table; best of several runs)
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { openBody, sealBody } from '../src/vault/formats/body.ts';
import { openCell, sealCell } from '../src/vault/formats/cell.ts';
import { openPage, sealPage } from '../src/vault/formats/page.ts';
import { unwrapKey, wrapKey } from '../src/vault/formats/wrap.ts';
import { createPackStore } from '../src/vault/packs/pack-store.ts';
import { createSealPool } from '../src/vault/sealing/seal-pool.ts';

const chunk = 65_536;
const dek = randomBytes(32);
const id = randomUUID();

/** Best mean time of one call in microseconds over several rounds. */
function micros(work: () => unknown, calls: number): number {
  let best = Infinity;
  for (let round = 0; round < 60; round += 1) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < calls; i += 1) work();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 1000 / calls);
  }
  return best;
}

/** Text that zstd shortens about as much as mail: half words, half base64. */
function mailLike(length: number): Buffer {
  const words = 'the quick brown fox jumps over a lazy dog and then sleeps \r\n'.repeat(40);
  const parts: string[] = [];
  for (let size = 0; size < length; size += 2_400) {
    parts.push(words.slice(size % 60, (size % 60) + 1_200), randomBytes(900).toString('base64'));
  }
  return Buffer.from(parts.join('')).subarray(0, length);
}

function bareSeal(bytes: Buffer): Buffer[] {
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += chunk) {
    const plain = bytes.subarray(at, at + chunk);
    const packed = zstdCompressSync(plain, { pledgedSrcSize: plain.length });
    const cipher = createCipheriv('aes-256-gcm', dek, Buffer.alloc(12, at));
    out.push(cipher.update(packed), cipher.final(), cipher.getAuthTag());
  }
  return out;
}

function bareOpen(pieces: readonly Buffer[]): void {
  for (let i = 0; i < pieces.length; i += 3) {
    const cipher = createDecipheriv('aes-256-gcm', dek, Buffer.alloc(12, (i / 3) * chunk));
    cipher.setAuthTag(pieces[i + 2]!);
    const packed = cipher.update(pieces[i]!);
    cipher.final();
    zstdDecompressSync(packed);
  }
}

function print(...cells: (string | number)[]): void {
  const shown = cells.map((cell) => (typeof cell === 'number' ? cell.toFixed(1) : cell));
  process.stdout.write(`| ${shown.join(' | ')} |\n`);
}

function bodies(): void {
  print('body', 'seal µs', 'bare µs', 'ratio', 'open µs', 'bare µs', 'ratio', 'sealed/plain');
  print('---', '---', '---', '---', '---', '---', '---', '---');
  for (const size of [1_000, 4_000, 12_000, 65_536, 262_144, 1_048_576]) {
    const bytes = mailLike(size);
    const calls = Math.max(2, Math.min(60, Math.round(600_000 / size)));
    const body = sealBody(dek, id, bytes);
    const bare = bareSeal(bytes);
    const seal = micros(() => sealBody(dek, id, bytes), calls);
    const sealBare = micros(() => bareSeal(bytes), calls);
    const open = micros(() => openBody(dek, id, body), calls);
    const openBare = micros(() => {
      bareOpen(bare);
    }, calls);
    const ratios = [seal / sealBare, open / openBare];
    print(`${size}`, seal, sealBare, ratios[0]!, open, openBare, ratios[1]!, body.length / size);
  }
}

function metadata(): void {
  const nonce = randomBytes(24);
  const cellOf = { purpose: 'cell', custodianId: id, objectId: id } as const;
  const wrapOf = { ...cellOf, purpose: 'dek', parentKeyId: id, parentVersion: 1 } as const;
  const payload = mailLike(1_500);
  const records = Array.from({ length: 100 }, () => ({ recordId: randomUUID(), payload }));
  const pageOf = { custodianId: id, pageId: id };
  const cell = sealCell(dek, cellOf, nonce, payload);
  const page = sealPage(dek, pageOf, nonce, records);
  const wrap = wrapKey(dek, wrapOf, nonce, dek);
  print('metadata', 'seal µs', 'open µs', 'bytes');
  print('---', '---', '---', '---');
  const row = (name: string, seal: () => unknown, open: () => unknown, length: number): void =>
    print(name, micros(seal, 40), micros(open, 40), `${length}`);
  row(
    'wrap',
    () => wrapKey(dek, wrapOf, nonce, dek),
    () => unwrapKey(dek, wrapOf, wrap),
    wrap.length,
  );
  row(
    'cell of 1,500',
    () => sealCell(dek, cellOf, nonce, payload),
    () => openCell(dek, cellOf, cell),
    cell.length,
  );
  row(
    'page of 100 × 1,500',
    () => sealPage(dek, pageOf, nonce, records),
    () => openPage(dek, pageOf, page),
    page.length,
  );
}

async function packs(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'postseal-bench-'));
  const store = createPackStore({ root, random: (n) => randomBytes(n), reserveBytes: 0 });
  const bytes = mailLike(12_000);
  print('packs (fdatasync)', 'per second', 'MB/s');
  print('---', '---', '---');
  for (const clients of [1, 20, 64]) {
    const until = performance.now() + 2_000;
    let count = 0;
    const client = async (): Promise<void> => {
      while (performance.now() < until) {
        const contentId = randomUUID();
        await store.sync(
          store.append({ objectId: contentId }, sealBody(randomBytes(32), contentId, bytes)),
        );
        count += 1;
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    print(`seal + append + sync of 12,000, ${clients} clients`, count / 2, (count * 12_000) / 2e6);
  }
  const pool = createSealPool();
  const piece = mailLike(chunk);
  const start = performance.now();
  const sealing = await pool.open(store, randomBytes(32), id);
  for (let i = 0; i < 800; i += 1) await sealing.write(piece);
  await sealing.finish();
  const seconds = (performance.now() - start) / 1000;
  print('one message of 50 MB through the worker', 1 / seconds, (800 * chunk) / seconds / 1e6);
  await pool.close();
  await store.close();
  rmSync(root, { recursive: true });
}

bodies();
process.stdout.write('\n');
metadata();
process.stdout.write('\n');
await packs();
