// Programs of Debian packages for an ordinary user: unpacked into the cache with what they need, each
// started by a small script of its name that says where their libraries and modules lie.
import { existsSync, lstatSync, mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { unpackDebian } from './debian.mjs';
import { cacheFolder } from './places.mjs';
import { say } from './say.mjs';

const folder = join(cacheFolder, 'programs');
const tree = join(folder, 'root');

/** For PATH; a folder that need not be there. */
export const unpackedPrograms = join(folder, 'bin');

/** `entries` are those of scripts/test-packages.json that may be unpacked; answers those that were not. */
export async function unpackPrograms(entries, why) {
  if (entries.length === 0) return [];
  const names = entries.map((entry) => entry.package);
  if (!(await unpackDebian(names, tree, why, { needed: true }))) return entries;
  mkdirSync(unpackedPrograms, { recursive: true });
  return entries.filter(({ file }) => !writeStarter(file));
}

function writeStarter(name) {
  const program = inTree(join(tree, 'usr/bin', name));
  if (program === undefined) {
    say(`${name} is not where its package should have it`);
    return false;
  }
  const triple = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const libraries = [`usr/lib/${triple}`, `lib/${triple}`].map((path) => join(tree, path));
  const modules = ['usr/lib/python3/dist-packages', 'usr/share/offlineimap3'].map((path) =>
    join(tree, path),
  );
  const lines = [
    '#!/bin/sh',
    `export LD_LIBRARY_PATH=${quoted(libraries.join(':'))}`,
    `export PYTHONPATH=${quoted(modules.join(':'))}`,
    `exec ${quoted(program)} "$@"`,
  ];
  writeFileSync(join(unpackedPrograms, name), `${lines.join('\n')}\n`, { mode: 0o755 });
  return true;
}

/** A link that a package has to an absolute path leads out of the tree, where nothing is. */
function inTree(path) {
  try {
    if (!lstatSync(path).isSymbolicLink()) return path;
  } catch {
    // Absent, which the caller tells.
    return undefined;
  }
  const to = readlinkSync(path);
  if (isAbsolute(to)) return inTree(join(tree, to));
  return existsSync(path) ? path : undefined;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
