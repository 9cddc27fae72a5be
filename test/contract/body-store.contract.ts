// What every body store promises (src/vault/packs/body-store.ts), whatever it is made of.
import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { IntegrityError, PostsealError } from '../../src/kernel/errors.ts';
import type { PackId } from '../../src/kernel/ids.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import type { BodyStore, PackAbout, PackRef } from '../../src/vault/packs/body-store.ts';
import type { ScanItem } from '../../src/vault/packs/scan-pack.ts';
import { until } from '../harness/until.ts';

export interface BodyStoreCase {
  /** A new empty place; what the calls below mean from now on. */
  begin(): Promise<void>;
  /** Opens the place; several at once are several processes. */
  open(): BodyStore;
  /** Ids of everything that is stored, also of what nobody was told about. */
  stored(): Promise<readonly string[]>;
  /** Changes bytes behind the store's back; undefined takes them away. */
  tamper(pack: PackId, change: (bytes: Buffer) => Buffer | undefined): Promise<void>;
  /** What lies below fails: the disk is full, the service is gone. */
  away(): Promise<void>;
  back(): Promise<void>;
  /** The code of refusals meanwhile. */
  readonly awayCode: string;
  /** It can lock. */
  readonly locks: boolean;
  end(): Promise<void>;
}

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return 'ok';
  } catch (error) {
    return error instanceof PostsealError ? error.code : String(error);
  }
}

async function put(store: BodyStore, payload: Uint8Array): Promise<PackRef> {
  const ref = store.append({ objectId: randomUUID() }, payload);
  await store.sync(ref);
  return ref;
}

async function stream(store: BodyStore, pieces: readonly Buffer[]): Promise<PackRef> {
  const body = await store.appendStream({ objectId: randomUUID() });
  for (const piece of pieces) await body.write(piece);
  return body.finish();
}

async function scanned(store: BodyStore): Promise<{ frames: string[]; findings: ScanItem[] }> {
  const frames: string[] = [];
  const findings: ScanItem[] = [];
  for await (const item of store.scrub()) {
    if (item.type === 'frame') frames.push(`${item.pack}@${item.offset}`);
    // The rest of a failed write is no damage (docs/formats/pack.md, "Checking").
    else if (item.kind !== 'tail') findings.push(item);
  }
  return { frames: frames.sort(), findings };
}

async function listed(packs: AsyncIterable<PackAbout>): Promise<PackAbout[]> {
  const all: PackAbout[] = [];
  for await (const about of packs) all.push(about);
  return all;
}

const nameOf = ({ pack, offset }: PackRef): string => `${pack}@${offset}`;

export function bodyStoreContract(subject: BodyStoreCase): void {
  describe('the contract of body stores', () => {
    const opened: BodyStore[] = [];
    let store: BodyStore;
    const open = (): BodyStore => {
      const made = subject.open();
      opened.push(made);
      return made;
    };
    beforeEach(async () => {
      await subject.begin();
      store = open();
    });
    afterEach(async () => {
      await Promise.allSettled(opened.splice(0).map((each) => each.close()));
      await subject.end();
    });

    test('gives back bodies and ranges of them, to the writer and to others, then and later', async () => {
      const payloads = [1, 100, 70_000, 900_000].map((size) => randomBytes(size));
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
        await expect(from.read(refs[1]!, -1, 3)).rejects.toThrow(RangeError);
      };
      await check(store);
      await check(open());
      await store.close();
      await check(open());
      expect(await scanned(open())).toEqual({ frames: refs.map(nameOf).sort(), findings: [] });
    });

    test('what comes together is written together', async () => {
      const refs = await Promise.all(
        Array.from({ length: 50 }, () => put(store, randomBytes(300))),
      );
      expect(new Set(refs.map(({ pack }) => pack)).size).toBe(1);
      expect(await subject.stored()).toHaveLength(1);
    });

    test('many writers at once lose nothing', async () => {
      const other = open();
      const payloads = Array.from({ length: 60 }, (_, i) => randomBytes(1 + i * 37));
      const refs = await Promise.all(payloads.map((p, i) => put(i % 2 === 0 ? store : other, p)));
      for (const [i, ref] of refs.entries()) {
        expect((await store.read(ref)).equals(payloads[i]!)).toBe(true);
      }
      await Promise.all([store.close(), other.close()]);
      expect(await scanned(open())).toEqual({ frames: refs.map(nameOf).sort(), findings: [] });
    });

    test('a large body comes in pieces and goes out in ranges', async () => {
      for (const count of [1, 20, 200]) {
        const pieces = Array.from({ length: count }, () => randomBytes(65_552));
        const whole = Buffer.concat(pieces);
        const ref = await stream(store, pieces);
        expect(ref.length).toBe(whole.length);
        const reader = open();
        expect((await reader.read(ref)).equals(whole)).toBe(true);
        const from = Math.floor(whole.length / 3);
        const some = await reader.read(ref, from, from + 1_000);
        expect(some.equals(whole.subarray(from, from + 1_000))).toBe(true);
        expect(await reader.verify(ref)).toBeUndefined();
        await store.sync(ref);
      }
      expect((await scanned(store)).findings).toEqual([]);
      const abouts = await listed(store.packs());
      expect(abouts.map(({ single }) => single)).toEqual([true, true, true]);
    });

    test('a large duplicate is discarded, bytes and all; a body in company is not', async () => {
      const ref = await stream(store, [randomBytes(2_000_000)]);
      await store.read(ref, 0, 10);
      expect(await store.discard(ref)).toBe(true);
      expect(await subject.stored()).toEqual([]);
      const shared = await put(store, randomBytes(10));
      expect(await store.discard(shared)).toBe(false);
      expect(await open().read(shared)).toHaveLength(10);
    });

    test('an aborted stream leaves nothing, however far it came', async () => {
      for (const count of [1, 150]) {
        const body = await store.appendStream({ objectId: randomUUID() });
        for (let i = 0; i < count; i += 1) await body.write(randomBytes(65_536));
        await body.abort();
        await body.abort();
      }
      expect(await subject.stored()).toEqual([]);
    });

    test('names the place of one changed byte', async () => {
      const refs = [0, 1, 2].map(() => store.append({ objectId: randomUUID() }, randomBytes(300)));
      await Promise.all(refs.map((ref) => store.sync(ref)));
      await store.close();
      const bad = refs[1]!;
      await subject.tamper(bad.pack, (bytes) => {
        bytes[bad.offset + 100]! ^= 1;
        return bytes;
      });
      const again = open();
      const { frames, findings } = await scanned(again);
      expect(frames).toEqual([refs[0]!, refs[2]!].map(nameOf).sort());
      expect(findings).toEqual([
        expect.objectContaining({ kind: 'frame', offset: bad.offset, length: 364 }),
      ]);
      expect(await again.verify(refs[0]!)).toBeUndefined();
      expect(await again.verify(bad)).toMatchObject({ kind: 'frame', offset: bad.offset });
    });

    test('what is cut short or missing is an integrity failure, never an empty body', async () => {
      const ref = await put(store, randomBytes(300));
      await store.close();
      await subject.tamper(ref.pack, (bytes) => bytes.subarray(0, 200));
      await expect(open().read(ref)).rejects.toThrow(IntegrityError);
      expect(await open().verify(ref)).toBeDefined();
      await subject.tamper(ref.pack, () => undefined);
      await expect(open().read(ref)).rejects.toThrow(IntegrityError);
      expect(await open().verify(ref)).toBeDefined();
    });

    test('while nothing can be written it refuses, and recovers by itself with nothing lost', async () => {
      const payload = randomBytes(500);
      const before = await put(store, payload);
      await subject.away();
      expect(await codeOf(() => put(store, randomBytes(5_000)))).toBe(subject.awayCode);
      expect(await codeOf(() => put(store, randomBytes(5_000)))).toBe(subject.awayCode);
      expect(await codeOf(() => stream(store, [randomBytes(600_000)]))).toBe(subject.awayCode);
      // What was written a moment ago is read all the same.
      expect((await store.read(before)).equals(payload)).toBe(true);
      await subject.back();
      const after = await until(() => put(store, payload).catch(() => undefined));
      for (const ref of [before, after]) {
        expect((await store.read(ref)).equals(payload)).toBe(true);
        expect(await open().verify(ref)).toBeUndefined();
      }
      await store.close();
      const { frames, findings } = await scanned(open());
      expect(findings).toEqual([]);
      expect(frames).toEqual(expect.arrayContaining([before, after].map(nameOf)));
    }, 120_000);

    test('a reference that failed never becomes valid', async () => {
      await subject.away();
      let ref: PackRef | undefined;
      const failed = await codeOf(() => {
        ref = store.append({ objectId: randomUUID() }, randomBytes(100));
        return store.sync(ref);
      });
      expect(failed).toBe(subject.awayCode);
      await subject.back();
      await until(() => put(store, randomBytes(10)).catch(() => undefined));
      if (ref !== undefined) {
        const late = ref;
        expect(await codeOf(() => store.sync(late))).toBe(subject.awayCode);
      }
    }, 120_000);

    test('bodies are gathered byte for byte, and stay when their first place is removed', async () => {
      const payloads = [10, 2_000, 30_000].map((size) => randomBytes(size));
      const objects = payloads.map(() => ({ objectId: randomUUID() }));
      const refs: PackRef[] = [];
      for (const [i, payload] of payloads.entries()) {
        const writer = open();
        const ref = writer.append(objects[i]!, payload);
        await writer.sync(ref);
        await writer.close();
        refs.push(ref);
      }
      const gathering = store.gather();
      const copies = await Promise.all(
        refs.map(async (ref, i) => gathering.add(objects[i]!, await store.read(ref))),
      );
      await gathering.finish();
      expect(new Set(copies.map(({ pack }) => pack)).size).toBe(1);
      for (const { pack } of refs) {
        await store.remove(pack);
        await store.remove(pack);
      }
      for (const [i, copy] of copies.entries()) {
        expect(copy.sha256.equals(refs[i]!.sha256)).toBe(true);
        expect((await open().read(copy)).equals(payloads[i]!)).toBe(true);
      }
      expect(await subject.stored()).toEqual([copies[0]!.pack]);
    });

    test('lists packs with their size, and a touch begins their age anew', async () => {
      const refs = [await put(store, randomBytes(100))];
      await store.close();
      const writer = open();
      refs.push(await put(writer, randomBytes(5_000)));
      await writer.close();
      const reader = open();
      const before = await listed(reader.packs());
      expect(before.map(({ pack }) => pack).sort()).toEqual(refs.map(({ pack }) => pack).sort());
      for (const { bytes, closed, single } of before) {
        expect({ closed, single }).toEqual({ closed: true, single: false });
        expect(bytes).toBeGreaterThan(100);
      }
      const [{ pack, changedAt } = { pack: refs[0]!.pack, changedAt: 0 }] = before;
      const later = await until(async () => {
        await reader.touch(pack);
        const about = (await listed(reader.packs())).find((each) => each.pack === pack);
        return about !== undefined && about.changedAt > changedAt && about;
      });
      expect(later.bytes).toBe(before[0]!.bytes);
      await reader.remove(pack);
      expect((await listed(reader.packs())).map((about) => about.pack)).not.toContain(pack);
    });

    test('what a stream left that ended with its process is swept after a while, nothing else', async () => {
      const kept = await put(store, randomBytes(100));
      const large = await stream(store, [randomBytes(6_000_000)]);
      const body = await store.appendStream({ objectId: randomUUID() });
      for (let i = 0; i < 150; i += 1) await body.write(randomBytes(65_536));
      expect(await store.sweep((Date.now() - 3_600_000) as UnixMs)).toBe(0);
      await store.sweep((Date.now() + 3_600_000) as UnixMs);
      for (const ref of [kept, large]) expect(await open().verify(ref)).toBeUndefined();
      await body.abort();
    });

    test('a lock keeps what is locked, and nothing else', async () => {
      const free = await put(store, randomBytes(100));
      expect(await store.lockedUntil(free.pack)).toBeUndefined();
      await store.remove(free.pack);
      if (!subject.locks) {
        // It has none, and says so.
        const ref = await stream(store, [randomBytes(100)]);
        expect(await store.lockedUntil(ref.pack)).toBeUndefined();
        return;
      }
      const end = (Math.ceil(Date.now() / 1000) * 1000 + 20_000) as UnixMs;
      const gathering = store.gather();
      const payload = randomBytes(100);
      const copy = gathering.add({ objectId: randomUUID() }, payload);
      await gathering.finish(end);
      const alone = await stream(store, [payload]);
      await store.lock(alone.pack, end);
      for (const ref of [copy, alone]) {
        expect(await store.lockedUntil(ref.pack)).toBe(end);
        expect(await codeOf(() => store.remove(ref.pack))).toBe('store.locked');
        expect(await codeOf(() => store.lock(ref.pack, (end - 10_000) as UnixMs))).not.toBe('ok');
        expect(await store.lockedUntil(ref.pack)).toBe(end);
        expect((await open().read(ref)).equals(payload)).toBe(true);
      }
      await until(async () => {
        const codes = await Promise.all(
          [copy, alone].map((ref) => codeOf(() => store.remove(ref.pack))),
        );
        return codes.every((code) => code === 'ok');
      });
      expect(await subject.stored()).toEqual([]);
    }, 120_000);
  });
}
