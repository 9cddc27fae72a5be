// The body store on real files: docs/formats/pack.md. Faults come through the PackFiles port, crashes by
// SIGKILL of a real process.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IntegrityError, PostsealError } from '../../../src/kernel/errors.ts';
import type { BodyStore, PackRef } from '../../../src/vault/packs/body-store.ts';
import { packPath } from '../../../src/vault/packs/pack-path.ts';
import { createPackStore, type PackStoreOptions } from '../../../src/vault/packs/pack-store.ts';
import { memoryReader } from '../../../src/vault/packs/positional-reader.ts';
import { scanPack } from '../../../src/vault/packs/scan-pack.ts';
import { FaultyFiles } from './faulty-files.ts';
import { all, places } from './scan-items.ts';

let root = '';
const stores: BodyStore[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'postseal-packs-'));
});
afterEach(async () => {
  await Promise.allSettled(stores.splice(0).map((store) => store.close()));
  rmSync(root, { recursive: true, force: true });
});

function open(options: Partial<PackStoreOptions> = {}): BodyStore {
  const store = createPackStore({
    root,
    random: (length) => randomBytes(length),
    reserveBytes: 0,
    ...options,
  });
  stores.push(store);
  return store;
}

async function put(store: BodyStore, payload: Uint8Array): Promise<PackRef> {
  const ref = store.append({ objectId: randomUUID() }, payload);
  await store.sync(ref);
  return ref;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'ok';
  } catch (error) {
    return error instanceof PostsealError ? error.code : String(error);
  }
}

function files(): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((n) =>
    n.endsWith('.pack'),
  );
}

describe('createPackStore', () => {
  test('finds the next frame across the border of two reads', async () => {
    const store = open();
    const sizes = [1_048_576 - 40, 50, 1_048_500, 10];
    const refs = sizes.map((size) => store.append({ objectId: randomUUID() }, randomBytes(size)));
    await store.sync(refs[3]!);
    const bytes = readFileSync(packPath(root, refs[0]!.pack));
    for (const broken of [0, 1, 2]) {
      const copy = Buffer.from(bytes);
      copy[refs[broken]!.offset] = 0;
      const items = await all(scanPack(refs[0]!.pack, memoryReader(copy)));
      const { offset, length } = refs[broken]!;
      const expected = refs.map((ref, i) =>
        i === broken ? `frame@${offset}+${length + 64}` : `frame@${ref.offset}`,
      );
      expect(places(items)).toEqual(expected);
    }
  });

  test('gives back whole bodies and ranges of them, before and after closing', async () => {
    const store = open();
    const payloads = [1, 100, 70_000].map((size) => randomBytes(size));
    const refs = payloads.map((payload) => store.append({ objectId: randomUUID() }, payload));
    await Promise.all(refs.map((ref) => store.sync(ref)));
    const check = async (from: BodyStore): Promise<void> => {
      for (const [i, ref] of refs.entries()) {
        expect((await from.read(ref)).equals(payloads[i]!)).toBe(true);
        expect(await from.verify(ref)).toBeUndefined();
      }
      expect((await from.read(refs[2]!, 5, 9)).equals(payloads[2]!.subarray(5, 9))).toBe(true);
      expect(await from.read(refs[2]!, 7, 7)).toHaveLength(0);
      await expect(from.read(refs[1]!, 0, 101)).rejects.toThrow(RangeError);
    };
    await check(store);
    await store.close();
    await check(open());
    expect(places(await all(open().scrub()))).toEqual(refs.map((ref) => `frame@${ref.offset}`));
  });

  test('callers that come together share one sync, and the folder is synced with a new pack', async () => {
    const faulty = new FaultyFiles();
    const store = open({ files: faulty.files });
    await Promise.all(Array.from({ length: 50 }, () => put(store, randomBytes(100))));
    expect(faulty.syncs).toBe(1);
    expect(faulty.folderSyncs).toBe(1);
    const first = put(store, randomBytes(100));
    await Promise.resolve();
    await Promise.resolve();
    // These come while the first sync may run: they need one more, not thirty.
    await Promise.all([first, ...Array.from({ length: 30 }, () => put(store, randomBytes(10)))]);
    expect(faulty.syncs).toBeLessThanOrEqual(3);
    expect(faulty.folderSyncs).toBe(1);
  });

  test('rotates above the size and closes what is full with a footer', async () => {
    const store = open({ packBytes: 10_000 });
    const refs: PackRef[] = [];
    for (let i = 0; i < 12; i += 1) refs.push(await put(store, randomBytes(3_000)));
    expect(new Set(refs.map((ref) => ref.pack)).size).toBe(4);
    await store.close();
    for (const pack of new Set(refs.map((ref) => ref.pack))) {
      const bytes = readFileSync(packPath(root, pack));
      expect(bytes.subarray(-8).toString()).toBe('PSSEALED');
    }
    expect(await all(open().scrub())).toHaveLength(12);
  });

  test('a body larger than a pack gets a pack for itself', async () => {
    const store = open({ packBytes: 1_000 });
    const payload = randomBytes(5_000);
    const ref = await put(store, payload);
    expect((await store.read(ref)).equals(payload)).toBe(true);
  });

  test('a failed sync poisons the pack: no second sync, later bodies go elsewhere', async () => {
    const faulty = new FaultyFiles();
    const store = open({ files: faulty.files });
    const before = await put(store, randomBytes(500));
    const mine = store.append({ objectId: randomUUID() }, randomBytes(500));
    faulty.failSync = 'EIO';
    const other = store.append({ objectId: randomUUID() }, randomBytes(500));
    expect(await codeOf(store.sync(other))).toBe('store.write-failed');
    faulty.failSync = undefined;
    // A reference of the same group that asks only now must not be told that it is durable.
    expect(await codeOf(store.sync(mine))).toBe('store.write-failed');
    const after = await put(store, randomBytes(500));
    expect(after.pack).not.toBe(before.pack);
    expect(faulty.syncedAfterFailure).toBe(0);
    expect(await codeOf(store.sync(mine))).toBe('store.write-failed');
    expect(await codeOf(store.sync(before))).toBe('ok');
    await store.close();
    for (const ref of [before, after]) expect(await open().verify(ref)).toBeUndefined();
    expect(faulty.syncedAfterFailure).toBe(0);
  });

  test('a full disk stops appends and streams, not reads, and is over when there is room', async () => {
    const faulty = new FaultyFiles();
    const store = open({ files: faulty.files, reserveBytes: 1_000_000 });
    const payload = randomBytes(500);
    const before = await put(store, payload);
    faulty.failWrite = 'ENOSPC';
    faulty.free = 0;
    expect(await codeOf(put(store, randomBytes(5_000)))).toBe('home.disk-full');
    const append = (): PackRef => store.append({ objectId: randomUUID() }, randomBytes(10));
    expect(append).toThrow(expect.objectContaining({ code: 'home.disk-full' }));
    expect(append).toThrow(expect.objectContaining({ code: 'home.disk-full' }));
    await expect(async () => store.appendStream({ objectId: randomUUID() })).rejects.toThrow(
      expect.objectContaining({ code: 'home.disk-full' }),
    );
    expect((await store.read(before)).equals(payload)).toBe(true);
    faulty.failWrite = undefined;
    faulty.free = undefined;
    const after = await put(store, payload);
    expect((await store.read(after)).equals(payload)).toBe(true);
    // The torn rest of the failed write is an orphan, not damage.
    const kinds = (await all(store.scrub())).map((item) => item.type === 'frame' || item.kind);
    expect(kinds.filter((kind) => kind !== true)).toEqual(['tail']);
  });

  test('a pack that never became durable is removed', async () => {
    const faulty = new FaultyFiles();
    const store = open({ files: faulty.files });
    faulty.failWrite = 'ENOSPC';
    for (let i = 0; i < 3; i += 1) {
      expect(await codeOf(put(store, randomBytes(10)))).toBe('home.disk-full');
    }
    faulty.failWrite = undefined;
    await put(store, randomBytes(10));
    await store.close();
    expect(files()).toHaveLength(1);
  });

  test('names the place of one changed byte', async () => {
    const store = open();
    const refs = [await put(store, randomBytes(300)), await put(store, randomBytes(300))];
    await store.close();
    const path = packPath(root, refs[0]!.pack);
    const bytes = readFileSync(path);
    bytes[refs[1]!.offset + 100]! ^= 1;
    chmodSync(path, 0o600);
    writeFileSync(path, bytes);
    const again = open();
    expect(places(await all(again.scrub()))).toEqual([
      `frame@${refs[0]!.offset}`,
      `frame@${refs[1]!.offset}+364`,
    ]);
    expect(await again.verify(refs[0]!)).toBeUndefined();
    expect(await again.verify(refs[1]!)).toMatchObject({ kind: 'frame', offset: refs[1]!.offset });
  });

  test('a missing or shortened pack is an integrity failure, also for one reference', async () => {
    const store = open();
    const ref = await put(store, randomBytes(300));
    await store.close();
    const path = packPath(root, ref.pack);
    const bytes = readFileSync(path);
    chmodSync(path, 0o600);
    writeFileSync(path, bytes.subarray(0, 200));
    const again = open();
    await expect(again.read(ref)).rejects.toThrow(IntegrityError);
    expect(await again.verify(ref)).toBeDefined();
    rmSync(path);
    const third = open();
    await expect(third.read(ref)).rejects.toThrow(IntegrityError);
    expect(await third.verify(ref)).toBeDefined();
  });

  test('keeps few files open, also under parallel reads', async () => {
    const faulty = new FaultyFiles();
    const store = open({ files: faulty.files, packBytes: 100, openFilesMax: 3 });
    const payloads = Array.from({ length: 20 }, () => randomBytes(80));
    const refs: PackRef[] = [];
    for (const payload of payloads) refs.push(await put(store, payload));
    const reads = Array.from({ length: 200 }, async (_, i) => {
      const at = (i * 7) % refs.length;
      expect((await store.read(refs[at]!)).equals(payloads[at]!)).toBe(true);
    });
    await Promise.all(reads);
    expect(faulty.openNow).toBeLessThanOrEqual(3);
    await store.close();
    expect(faulty.openNow).toBe(0);
  });
});

describe('appendStream', () => {
  test('writes a large body into a closed pack of its own', async () => {
    const store = open();
    const pieces = Array.from({ length: 40 }, () => randomBytes(65_552));
    const stream = await store.appendStream({ objectId: randomUUID() });
    for (const piece of pieces) await stream.write(piece);
    const ref = await stream.finish();
    const whole = Buffer.concat(pieces);
    expect(ref).toMatchObject({ offset: 32, length: whole.length });
    expect((await store.read(ref)).equals(whole)).toBe(true);
    expect(await store.verify(ref)).toBeUndefined();
    const prefix = readFileSync(packPath(root, ref.pack)).subarray(32, 64);
    const digest = createHash('sha256').update(whole).update(prefix).digest();
    expect(ref.sha256.equals(digest)).toBe(true);
    expect(places(await all(store.scrub()))).toEqual(['frame@32']);
    await store.sync(ref);
  });

  test('a duplicate is discarded, file and all; a body in a shared pack is not', async () => {
    const store = open();
    const stream = await store.appendStream({ objectId: randomUUID() });
    await stream.write(randomBytes(2_000_000));
    const ref = await stream.finish();
    await store.read(ref, 0, 10);
    expect(await store.discard(ref)).toBe(true);
    expect(files()).toEqual([]);
    const shared = await put(store, randomBytes(10));
    expect(await store.discard(shared)).toBe(false);
    expect(await store.read(shared)).toHaveLength(10);
  });

  test('an aborted or failed stream leaves no file', async () => {
    const faulty = new FaultyFiles();
    const store = open({ files: faulty.files });
    const aborted = await store.appendStream({ objectId: randomUUID() });
    await aborted.write(randomBytes(600_000));
    await aborted.abort();
    await aborted.abort();
    const failed = await store.appendStream({ objectId: randomUUID() });
    faulty.failWrite = 'ENOSPC';
    expect(await codeOf(failed.write(randomBytes(600_000)))).toBe('home.disk-full');
    faulty.failWrite = undefined;
    await failed.abort();
    const unsynced = await store.appendStream({ objectId: randomUUID() });
    await unsynced.write(randomBytes(100));
    faulty.failSync = 'EIO';
    expect(await codeOf(unsynced.finish())).toBe('store.write-failed');
    await unsynced.abort();
    expect(files()).toEqual([]);
  });

  test('an unfinished stream is a tail for a scrub', async () => {
    const store = open();
    const stream = await store.appendStream({ objectId: randomUUID() });
    await stream.write(randomBytes(600_000));
    expect(await all(store.scrub())).toEqual([
      expect.objectContaining({ kind: 'tail', offset: 32, closed: false }),
    ]);
    await stream.abort();
  });

  test('a stream that ended between footer and prefix is told from a shared pack', async () => {
    const store = open();
    const stream = await store.appendStream({ objectId: randomUUID() });
    await stream.write(randomBytes(600_000));
    const { pack } = await stream.finish();
    const bytes = readFileSync(packPath(root, pack)).fill(0, 32, 64);
    chmodSync(packPath(root, pack), 0o600);
    writeFileSync(packPath(root, pack), bytes);
    expect(await all(open().scrub())).toEqual([
      expect.objectContaining({ kind: 'frame', offset: 32, closed: true, single: true }),
    ]);
  });
});

describe('kill -9', () => {
  test('what was acknowledged is whole, the rest is a tail', async () => {
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('append-until-killed.ts', import.meta.url)), root],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let text = '';
    await new Promise<void>((resolve) => {
      child.stdout.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
        if (text.split('\n').length > 200) child.kill('SIGKILL');
      });
      child.on('close', () => resolve());
    });
    const lines = text.split('\n').slice(0, -1);
    const refs = lines.map((line) => JSON.parse(line) as PackRef & { sha256: string });
    expect(refs.length).toBeGreaterThanOrEqual(200);
    const store = open();
    for (const ref of refs) {
      const whole: PackRef = { ...ref, sha256: Buffer.from(ref.sha256, 'hex') };
      expect(await store.verify(whole)).toBeUndefined();
    }
    const items = await all(store.scrub());
    const bad = items.filter((item) => item.type === 'finding' && item.kind !== 'tail');
    expect(bad).toEqual([]);
    expect(items.filter((item) => item.type === 'frame').length).toBeGreaterThanOrEqual(
      refs.length,
    );
    expect(dirname(packPath(root, refs[0]!.pack)).length).toBe(root.length + 3);
  });
});
