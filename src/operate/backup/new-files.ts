// What of packs, ledger and single files of a home is not in the backup yet. Packs only grow; files of the
// ledger are never changed but for the checkpoint (docs/formats/pack.md, docs/formats/ledger.md).
import { type FileHandle, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isZero } from '../../vault/formats/binary.ts';
import { packHeaderBytes } from '../../vault/formats/pack.ts';
import { packIdOf } from '../../vault/packs/pack-path.ts';
import type { FilePlace } from './piece-writer.ts';

/** Files of the home that a restored one needs. The token, its PINs and `keys/` are never among them. */
export const homeFiles = [
  'node-name',
  'key-store.json',
  'signer/state',
  'postgres/credentials.json',
] as const;

const kindSingle = 2;
const framePrefixBytes = 32;

/** The ends of packs behind what `shipped` says; a pack of one large frame only when it is whole. */
export async function newPackBytes(
  home: string,
  shipped: (path: string) => number,
): Promise<FilePlace[]> {
  const root = join(home, 'packs');
  const places: FilePlace[] = [];
  for (const folder of await namesIn(root)) {
    for (const name of await namesIn(join(root, folder))) {
      if (packIdOf(name) === undefined) continue;
      const path = `${folder}/${name}`;
      const from = shipped(path);
      const to = await takenLength(join(root, path));
      if (to > from) places.push({ area: 'packs', path, file: join(root, path), from, to });
    }
  }
  return places;
}

/** Packs that are there now. */
export async function packPaths(home: string): Promise<Set<string>> {
  const root = join(home, 'packs');
  const found = new Set<string>();
  for (const folder of await namesIn(root)) {
    for (const name of await namesIn(join(root, folder))) found.add(`${folder}/${name}`);
  }
  return found;
}

/** Octets of a pack that may be taken; 0 for one that is gone or not finished. */
async function takenLength(file: string): Promise<number> {
  let handle: FileHandle;
  try {
    handle = await open(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
  try {
    const { size } = await handle.stat();
    const start = Buffer.alloc(packHeaderBytes + framePrefixBytes);
    const { bytesRead } = await handle.read(start, 0, start.length, 0);
    if (start[5] !== kindSingle) return size;
    // Its prefix is written last, after payload and footer.
    return bytesRead < start.length || isZero(start.subarray(packHeaderBytes)) ? 0 : size;
  } finally {
    await handle.close();
  }
}

/** Files of the ledger that `shipped` does not have; the checkpoint itself is read on its own. */
export async function newLedgerFiles(
  home: string,
  shipped: (path: string) => boolean,
): Promise<FilePlace[]> {
  const root = join(home, 'ledger');
  const places: FilePlace[] = [];
  const walk = async (folder: string): Promise<void> => {
    const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(noEntries);
    for (const entry of entries) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) await walk(path);
      else if (path !== 'checkpoint' && !path.endsWith('.new') && !shipped(path)) {
        places.push({ area: 'ledger', path, file: join(root, path) });
      }
    }
  };
  await walk('');
  return places;
}

/** `undefined` where there is no such file. */
export async function readOptional(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(noEntries);
}

function noEntries(error: unknown): [] {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  return [];
}
