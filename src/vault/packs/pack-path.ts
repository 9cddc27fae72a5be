// Where the file of a pack lies: docs/formats/pack.md.
import { join } from 'node:path';
import type { PackId } from '../../kernel/ids.ts';

const suffix = '.pack';

export function packFolder(root: string, pack: PackId): string {
  return join(root, pack.slice(0, 2));
}

export function packPath(root: string, pack: PackId): string {
  return join(packFolder(root, pack), `${pack}${suffix}`);
}

/** Pack id of a file name; undefined for any other file. */
export function packIdOf(fileName: string): PackId | undefined {
  const match = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.pack$/.exec(fileName);
  return match?.[1] as PackId | undefined;
}
