// Every file below a folder, depth first; none if the folder does not exist.
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';

export async function* walkFiles(folder: string): AsyncGenerator<string> {
  let entries;
  try {
    entries = await opendir(folder);
  } catch (error) {
    // The writer may have dropped a folder of partial tiles meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  for await (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walkFiles(path);
    else yield path;
  }
}
