// Large messages through the sealing worker into real packs, and cheap ranges of what it made.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bodyEndBytes, chunksOfRange } from '../../../src/vault/formats/body-index.ts';
import { openBodyChunk, openBodyMap } from '../../../src/vault/formats/body-index.ts';
import { createBodySealer, openBody, sealBody } from '../../../src/vault/formats/body.ts';
import type { BodyStore } from '../../../src/vault/packs/body-store.ts';
import { createPackStore } from '../../../src/vault/packs/pack-store.ts';
import { createSealPool, type SealPool } from '../../../src/vault/sealing/seal-pool.ts';
import { FaultyFiles } from '../packs/faulty-files.ts';

let root = '';
let store: BodyStore;
let pool: SealPool;
let faulty: FaultyFiles;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'postseal-sealing-'));
  faulty = new FaultyFiles();
  store = createPackStore({
    root,
    random: (length) => randomBytes(length),
    reserveBytes: 0,
    files: faulty.files,
  });
  pool = createSealPool();
});
afterEach(async () => {
  await pool.close();
  await store.close();
  rmSync(root, { recursive: true, force: true });
});

const dek = randomBytes(32);

function mail(length: number): Buffer {
  const half = randomBytes(Math.ceil(length / 4)).toString('hex');
  return Buffer.from(half.repeat(2).slice(0, length));
}

function packs(): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((n) =>
    n.endsWith('.pack'),
  );
}

async function seal(bytes: Buffer, contentId: string, step: number): Promise<Buffer> {
  const sealing = await pool.open(store, Uint8Array.from(dek), contentId);
  for (let at = 0; at < bytes.length; at += step) {
    // The caller's buffer may change as soon as `write` is back.
    const piece = Uint8Array.from(bytes.subarray(at, at + step));
    await sealing.write(piece);
    piece.fill(0);
  }
  return store.read(await sealing.finish());
}

describe('createSealPool', () => {
  test('makes the very bytes of the one-shot sealer, whatever the pieces', async () => {
    for (const [length, step] of [
      [0, 1],
      [1, 1],
      [262_144, 262_144],
      [300_001, 7_001],
      [3_000_000, 65_536],
      [3_000_001, 1_000_003],
    ] as const) {
      const bytes = mail(length);
      const contentId = randomUUID();
      const body = await seal(bytes, contentId, step);
      expect(body.equals(sealBody(dek, contentId, bytes))).toBe(true);
      expect(bytes.equals(openBody(dek, contentId, body))).toBe(true);
    }
  });

  test('serves many streams at once', async () => {
    const lengths = [2_000_000, 1_500_000, 70_000, 2_500_000, 1_048_577];
    const whole = await Promise.all(
      lengths.map(async (length) => {
        const bytes = mail(length);
        const contentId = randomUUID();
        const body = await seal(bytes, contentId, 50_000);
        return bytes.equals(openBody(dek, contentId, body));
      }),
    );
    expect(whole).toEqual(lengths.map(() => true));
  });

  test('a disk that fills up fails the stream, which leaves no file', async () => {
    const sealing = await pool.open(store, Uint8Array.from(dek), randomUUID());
    await sealing.write(mail(600_000));
    faulty.failWrite = 'ENOSPC';
    const rest = async (): Promise<void> => {
      for (let i = 0; i < 100; i += 1) await sealing.write(randomBytes(200_000));
    };
    await expect(rest()).rejects.toThrow(expect.objectContaining({ code: 'home.disk-full' }));
    await expect(sealing.finish()).rejects.toThrow(
      expect.objectContaining({ code: 'home.disk-full' }),
    );
    faulty.failWrite = undefined;
    await sealing.abort();
    expect(packs()).toEqual([]);
  });

  test('an aborted stream leaves no file and disturbs no other', async () => {
    const bytes = mail(1_200_000);
    const contentId = randomUUID();
    const other = seal(bytes, contentId, 10_000);
    const sealing = await pool.open(store, Uint8Array.from(dek), randomUUID());
    await sealing.write(mail(900_000));
    await sealing.abort();
    await sealing.abort();
    await expect(sealing.write(mail(10))).rejects.toThrow();
    expect(bytes.equals(openBody(dek, contentId, await other))).toBe(true);
    expect(packs()).toHaveLength(1);
  });

  test('what fails in the worker fails the stream, and the next one works', async () => {
    const sealing = await pool.open(store, Uint8Array.from(dek), 'no uuid');
    const rest = async (): Promise<void> => {
      for (let i = 0; i < 100; i += 1) await sealing.write(randomBytes(200_000));
    };
    await expect(rest()).rejects.toThrow(expect.objectContaining({ code: 'internal' }));
    await sealing.abort();
    expect(packs()).toEqual([]);
    const contentId = randomUUID();
    expect(openBody(dek, contentId, await seal(mail(5), contentId, 5))).toHaveLength(5);
  });

  test('a closed pool fails its open streams', async () => {
    const sealing = await pool.open(store, Uint8Array.from(dek), randomUUID());
    await sealing.write(mail(10));
    await pool.close();
    await expect(sealing.finish()).rejects.toThrow(expect.objectContaining({ code: 'internal' }));
    await sealing.abort();
    expect(packs()).toEqual([]);
  });

  test('a message of 50 MB costs less than 32 MB of memory', () => {
    const child = fileURLToPath(new URL('seal-once.ts', import.meta.url));
    const grown = Number(execFileSync(process.execPath, [child, root, '50'], { encoding: 'utf8' }));
    expect(grown).toBeGreaterThanOrEqual(0);
    expect(grown).toBeLessThan(32 * 1_048_576);
    expect(packs()).toEqual([]);
  });
});

describe('ranges of a body', () => {
  const contentId = randomUUID();
  const bytes = mail(1_000_000);
  const body = sealBody(dek, contentId, bytes);
  const end = body.subarray(body.length - bodyEndBytes(body, body.length));
  const map = openBodyMap(dek, contentId, body.length, { head: body.subarray(0, 56), end });

  test.each([
    [0, 1, 1],
    [65_535, 65_537, 2],
    [65_536, 131_072, 1],
    [999_999, 1_000_000, 1],
    [400_000, 400_000, 0],
    [100_000, 900_000, 13],
  ])('bytes %d to %d need %d chunks', (from, to, count) => {
    const chunks = chunksOfRange(map, from, to);
    expect(chunks).toHaveLength(count);
    const plain = chunks.map((chunk) =>
      openBodyChunk(map, chunk, body.subarray(chunk.offset, chunk.offset + chunk.sealedLength)),
    );
    const skipped = chunks[0]?.plainFrom ?? from;
    const range = Buffer.concat(plain).subarray(from - skipped, to - skipped);
    expect(range.equals(bytes.subarray(from, to))).toBe(true);
  });

  test('a sealer serves one attempt', () => {
    const sealer = createBodySealer(dek, contentId);
    sealer.push(bytes.subarray(0, 10));
    sealer.end();
    expect(() => sealer.push(bytes)).toThrow('one attempt');
    expect(() => sealer.end()).toThrow('one attempt');
  });
});
