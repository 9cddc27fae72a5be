// Deletes a pack file: docs/formats/pack.md. Only for packs that hold nothing acknowledged, or a stream
// that was discarded.
import { dirname } from 'node:path';
import { codeOf, type PackFiles } from './pack-files.ts';

/** Deletes a pack file for good; one that is gone already is fine, because a retry may find it so. */
export async function removePack(files: PackFiles, path: string): Promise<void> {
  try {
    await files.remove(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  await files.syncFolder(dirname(path));
}
