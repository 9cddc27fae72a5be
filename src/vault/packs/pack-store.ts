// The body store on disk: writer, streams, reader and scrub over HOME/packs (docs/formats/pack.md).
import { mkdirSync } from 'node:fs';
import { equalBytes } from '../../kernel/bytes.ts';
import { IntegrityError } from '../../kernel/errors.ts';
import type { PackId } from '../../kernel/ids.ts';
import {
  decodePackHeader,
  frameOverheadBytes,
  packHeaderBytes,
  type PackHeader,
} from '../formats/pack.ts';
import { footerEndBytes, footerLengthFrom } from '../formats/pack-footer.ts';
import type { BodyStore, FrameObject, Gathering, PackAbout, PackRef } from './body-store.ts';
import { nodePackFiles, type PackFiles } from './pack-files.ts';
import { packIdOf, packPath } from './pack-path.ts';
import { PackReader, type WholePack } from './pack-reader.ts';
import { PackWriter } from './pack-writer.ts';
import { readFrame, scanPack, type PackFinding, type ScanItem } from './scan-pack.ts';
import { removePack } from './remove-pack.ts';
import { openStreamPack } from './stream-pack.ts';

export interface PackStoreOptions {
  /** `HOME/packs`; must exist. */
  readonly root: string;
  readonly random: (length: number) => Uint8Array;
  /** Size at which the active pack is closed, 64 to 256 MiB; default 64 MiB. */
  readonly packBytes?: number;
  /** Free bytes that stay for the database; default 64 MiB. */
  readonly reserveBytes?: number;
  /** Pack files kept open for reading; default 64. */
  readonly openFilesMax?: number;
  readonly onCloseFailure?: (error: unknown) => void;
  readonly files?: PackFiles;
}

/** Opens the store; it makes no file before the first append. */
export function createPackStore(options: PackStoreOptions): BodyStore {
  mkdirSync(options.root, { recursive: true, mode: 0o700 });
  const { root, files = nodePackFiles } = options;
  const writer = new PackWriter({
    root,
    files,
    random: options.random,
    packBytes: options.packBytes ?? 67_108_864,
    reserveBytes: options.reserveBytes ?? 67_108_864,
    onCloseFailure: options.onCloseFailure ?? (() => undefined),
  });
  const reader = new PackReader({ root, files, openMax: options.openFilesMax ?? 64 });
  return {
    append: (object, payload) => writer.append(object, payload),
    appendStream: (object: FrameObject) => {
      writer.checkSpace(packHeaderBytes);
      const pack = writer.newPackId();
      return openStreamPack(files, packPath(root, pack), pack, object);
    },
    sync: (ref) => writer.sync(ref),
    read: (ref, from, to) => reader.read(ref, from, to),
    verify: (ref) => verifyFrame(reader, ref),
    scrub: () => scrubPacks(root, files, reader),
    discard: (ref) => discardPack(root, files, reader, ref),
    packs: () => listPacks(root, files, reader),
    fresh: () => noPacks(),
    gather: () => new ActiveGathering(writer),
    lock: () => Promise.resolve(),
    lockedUntil: () => Promise.resolve(undefined),
    touch: (pack) => files.touch(packPath(root, pack)),
    remove: async (pack) => {
      await reader.forget(pack);
      await removePack(files, packPath(root, pack));
    },
    // What a killed stream left is a pack that nothing refers to: compaction removes it.
    sweep: () => Promise.resolve(0),
    close: async () => {
      await writer.close();
      await reader.close();
    },
  };
}

/** On disk bodies are copied into the active pack. */
class ActiveGathering implements Gathering {
  readonly #writer: PackWriter;
  readonly #refs: PackRef[] = [];

  constructor(writer: PackWriter) {
    this.#writer = writer;
  }

  add(object: FrameObject, payload: Uint8Array): PackRef {
    const ref = this.#writer.append(object, payload);
    this.#refs.push(ref);
    return ref;
  }

  async finish(): Promise<void> {
    await Promise.all(this.#refs.map((ref) => this.#writer.sync(ref)));
  }
}

/** A pack on disk is where it stays from the start. */

async function* noPacks(): AsyncGenerator<PackAbout, void, undefined> {}

async function verifyFrame(reader: PackReader, ref: PackRef): Promise<PackFinding | undefined> {
  const length = frameOverheadBytes + ref.length;
  const finding: PackFinding = {
    type: 'finding',
    pack: ref.pack,
    kind: 'frame',
    offset: ref.offset,
    length,
    closed: true,
    single: false,
  };
  try {
    const whole = await reader.wholePack(ref.pack);
    try {
      const frame = await readFrame(ref.pack, whole, ref.offset, whole.length);
      const same = frame?.length === ref.length && equalBytes(frame.sha256, ref.sha256);
      return same ? undefined : finding;
    } finally {
      await whole.close();
    }
  } catch (error) {
    if (error instanceof IntegrityError) return finding;
    throw error;
  }
}

async function* scrubPacks(
  root: string,
  files: PackFiles,
  reader: PackReader,
): AsyncGenerator<ScanItem, void, undefined> {
  for await (const pack of packIds(root, files)) {
    const whole = await openListed(reader, pack);
    if (whole === undefined) continue;
    try {
      yield* scanPack(pack, whole);
    } finally {
      await whole.close();
    }
  }
}

async function* packIds(root: string, files: PackFiles): AsyncGenerator<PackId, void, undefined> {
  for (const folder of await files.list(root)) {
    if (!/^[0-9a-f]{2}$/.test(folder)) continue;
    for (const name of await files.list(`${root}/${folder}`)) {
      const pack = packIdOf(name);
      if (pack !== undefined) yield pack;
    }
  }
}

async function* listPacks(
  root: string,
  files: PackFiles,
  reader: PackReader,
): AsyncGenerator<PackAbout, void, undefined> {
  for await (const pack of packIds(root, files)) {
    const about = await files.about(packPath(root, pack));
    const whole = about === undefined ? undefined : await openListed(reader, pack);
    if (about === undefined || whole === undefined) continue;
    try {
      const header = await packHeader(whole);
      if (header?.packId !== pack) continue;
      const single = header.kind === 'single';
      yield { pack, ...about, closed: await hasFooter(whole), single };
    } finally {
      await whole.close();
    }
  }
}

/** Undefined for a file that is no pack, or not yet: the scrub says what is wrong with it. */
async function packHeader(whole: WholePack): Promise<PackHeader | undefined> {
  if (whole.length < packHeaderBytes) return undefined;
  try {
    return decodePackHeader(await whole.read(0, packHeaderBytes));
  } catch (error) {
    if (error instanceof IntegrityError) return undefined;
    throw error;
  }
}

async function hasFooter(whole: WholePack): Promise<boolean> {
  if (whole.length < packHeaderBytes + footerEndBytes) return false;
  const end = await whole.read(whole.length - footerEndBytes, whole.length);
  return footerLengthFrom(end) !== undefined;
}

/** A pack that was discarded after it was listed is no finding; live references are `verify`'s. */
async function openListed(reader: PackReader, pack: PackId): Promise<WholePack | undefined> {
  try {
    return await reader.wholePack(pack);
  } catch (error) {
    if (error instanceof IntegrityError) return undefined;
    throw error;
  }
}

async function discardPack(
  root: string,
  files: PackFiles,
  reader: PackReader,
  ref: PackRef,
): Promise<boolean> {
  const { kind } = decodePackHeader(await reader.readAt(ref.pack, 0, packHeaderBytes));
  if (kind !== 'single') return false;
  await reader.forget(ref.pack);
  await removePack(files, packPath(root, ref.pack));
  return true;
}
