// The body store in an S3 bucket: batches, streams, gathered packs, reads, upkeep and scrub
// (docs/formats/s3.md). Every object is a pack of docs/formats/pack.md, so that whoever can read a pack can
// read the bucket.
import { equalBytes } from '../../kernel/bytes.ts';
import { IntegrityError, PostsealError } from '../../kernel/errors.ts';
import { uuidV4, type PackId } from '../../kernel/ids.ts';
import type { UnixMs } from '../../kernel/time.ts';
import { decodePackHeader, frameOverheadBytes, packHeaderBytes } from '../formats/pack.ts';
import type { BodyStore, Gathering, PackAbout, PackRef } from '../packs/body-store.ts';
import { windowedReader } from '../packs/positional-reader.ts';
import { readFrame, scanPack, type PackFinding, type ScanItem } from '../packs/scan-pack.ts';
import { BatchWriter } from './batch-writer.ts';
import {
  packIdIn,
  packKey,
  packOfKey,
  type PackPlace,
  packPlaces,
  placeOf,
  touchedFolder,
  touchedKey,
} from './object-keys.ts';
import { ObjectReader } from './object-reader.ts';
import type { ObjectStore } from './object-store.ts';
import { Outage, type OutageOptions } from './outage.ts';
import { PackImage } from './pack-image.ts';
import { putPack } from './put-pack.ts';
import { RangeCache } from './range-cache.ts';
import { StreamObject } from './stream-object.ts';

export interface S3BodyStoreOptions extends OutageOptions {
  readonly objects: ObjectStore;
  readonly random: (length: number) => Uint8Array;
  /** Of ciphertext that was read or written a moment ago; default 32 MiB. */
  readonly cacheBytes?: number;
  /** Largest batch; default 8 MiB. */
  readonly batchBytes?: number;
  /** Octets of bodies that may wait for the store; default 64 MiB. */
  readonly pendingBytesMax?: number;
}

const windowBytes = 1_048_576;
/** Each holds two parts of 5 MiB, for as long as its sender takes. */
const streamsMax = 32;

/** Makes no request. Closing it closes `objects`. */
export function createS3BodyStore(options: S3BodyStoreOptions): BodyStore {
  const { objects } = options;
  const newPackId = (place: PackPlace): PackId =>
    packIdIn(place, uuidV4(options.random(16)) as PackId);
  let streams = 0;
  const outage = new Outage(options);
  const reader = new ObjectReader(objects, new RangeCache(options.cacheBytes ?? 33_554_432));
  const writer = new BatchWriter({
    objects,
    outage,
    newPackId: () => newPackId('batch'),
    batchBytes: options.batchBytes ?? 8_388_608,
    pendingBytesMax: options.pendingBytesMax ?? 67_108_864,
    onDurable: (refs, payloads) => {
      refs.forEach((ref, i) => reader.keep(ref, payloads[i] ?? new Uint8Array()));
    },
  });
  return {
    append: (object, payload) => writer.append(object, payload),
    // eslint-disable-next-line @typescript-eslint/require-await -- a refusal is a rejection
    appendStream: async (object) => {
      outage.check();
      if (streams >= streamsMax) throw new PostsealError('intake.busy', { streams });
      streams += 1;
      const isWhole = (ref: PackRef): Promise<boolean> => isWholeAlone(reader, ref);
      const deps = { objects, outage, isWhole, onEnd: () => void (streams -= 1) };
      return new StreamObject(deps, newPackId('large'), object);
    },
    sync: (ref) => writer.sync(ref),
    read: (ref, from, to) => reader.read(ref, from, to),
    verify: (ref) => verifyFrame(reader, ref),
    scrub: () => scrubObjects(objects, reader),
    discard: async (ref) => {
      const { kind } = decodePackHeader(await reader.readAt(ref.pack, 0, packHeaderBytes));
      if (kind !== 'single') return false;
      await objects.remove(packKey(ref.pack));
      return true;
    },
    packs: () => listPacks(objects, packPlaces),
    fresh: () => listPacks(objects, ['batch', 'large']),
    gather: () => new ObjectGathering(objects, newPackId('pack')),
    lock: (pack, until) => objects.lock(packKey(pack), until),
    lockedUntil: (pack) =>
      // A batch is never locked: it lives until it is gathered.
      placeOf(pack) === 'batch' ? Promise.resolve(undefined) : objects.lockedUntil(packKey(pack)),
    touch: (pack) => objects.put(touchedKey(pack), Buffer.from(pack)),
    remove: async (pack) => {
      await objects.remove(packKey(pack));
      await objects.remove(touchedKey(pack));
    },
    sweep: (before) => objects.abortUploads('large/', before),
    close: async () => {
      await writer.close();
      objects.close();
    },
  };
}

/** Bodies that are copied together: one object, put and read back when all are there. */
class ObjectGathering implements Gathering {
  readonly #objects: ObjectStore;
  readonly #image: PackImage;

  constructor(objects: ObjectStore, pack: PackId) {
    this.#objects = objects;
    this.#image = new PackImage(pack);
  }

  add(...[object, payload]: Parameters<Gathering['add']>): PackRef {
    return this.#image.add(object, payload);
  }

  async finish(lockUntil?: UnixMs): Promise<void> {
    if (this.#image.frames === 0) return;
    await putPack(this.#objects, this.#image.pack, this.#image.encode());
    if (lockUntil !== undefined) await this.#objects.lock(packKey(this.#image.pack), lockUntil);
  }
}

/** From the store itself, and in one request for most. */
async function verifyFrame(reader: ObjectReader, ref: PackRef): Promise<PackFinding | undefined> {
  const length = frameOverheadBytes + ref.length;
  const about = { type: 'finding', pack: ref.pack, kind: 'frame', offset: ref.offset } as const;
  const end = ref.offset + length;
  try {
    const source = windowedReader(reader.upTo(ref.pack, end), windowBytes);
    const frame = await readFrame(ref.pack, source, ref.offset, end);
    const same = frame?.length === ref.length && equalBytes(frame.sha256, ref.sha256);
    if (same) return undefined;
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error;
  }
  return { ...about, length, closed: true, single: false };
}

async function isWholeAlone(reader: ObjectReader, ref: PackRef): Promise<boolean> {
  const whole = await reader.whole(ref.pack);
  if (whole === undefined) return false;
  let frames = 0;
  for await (const item of scanPack(ref.pack, whole)) {
    if (item.type !== 'frame' || !equalBytes(item.sha256, ref.sha256)) return false;
    frames += 1;
  }
  return frames === 1;
}

async function* scrubObjects(
  objects: ObjectStore,
  reader: ObjectReader,
): AsyncGenerator<ScanItem, void, undefined> {
  for (const place of packPlaces) {
    for await (const { key } of objects.list(`${place}/`)) {
      const pack = packOfKey(key);
      if (pack === undefined) continue;
      const whole = await reader.whole(pack);
      // One that was removed after it was listed is no finding; live references are `verify`'s.
      if (whole !== undefined) yield* scanPack(pack, whole);
    }
  }
}

async function* listPacks(
  objects: ObjectStore,
  places: readonly PackPlace[],
): AsyncGenerator<PackAbout, void, undefined> {
  const touched = new Map<string, UnixMs>();
  for await (const { key, changedAt } of objects.list(touchedFolder)) touched.set(key, changedAt);
  for (const place of places) {
    for await (const { key, bytes, changedAt } of objects.list(`${place}/`)) {
      const pack = packOfKey(key);
      if (pack === undefined) continue;
      const since = Math.max(changedAt, touched.get(touchedKey(pack)) ?? 0) as UnixMs;
      // An object appears whole: nobody writes to it.
      yield { pack, bytes, changedAt: since, closed: true, single: place === 'large' };
    }
  }
}
