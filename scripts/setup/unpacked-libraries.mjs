// Libraries of Debian packages for an ordinary user's tests: unpacked into the cache with those that they
// need. Unlike a program they have no starter of their own, so the tests' environment says where they lie.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { unpackDebian } from './debian.mjs';
import { nodeEnvironment } from './node-runtime.mjs';
import { cacheFolder } from './places.mjs';

const triple = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
const tree = join(cacheFolder, 'test-libraries');
const folder = join(tree, 'usr', 'lib', triple);

/** Whether the library with this absolute path was unpacked. */
export function hasUnpackedLibrary(path) {
  return existsSync(join(tree, path));
}

/** `entries` are those of scripts/test-packages.json with `libraries`; answers those that were not. */
export async function unpackLibraries(entries, why) {
  const failed = [];
  for (const entry of entries) {
    if (!(await unpackDebian(entry.libraries, tree, why))) failed.push(entry);
  }
  return failed;
}

/** What the tests' environment must have; nothing where nothing was unpacked. */
export function libraryEnvironment(node) {
  if (!existsSync(folder)) return {};
  const given = nodeEnvironment(node).LD_LIBRARY_PATH;
  const paths = given === undefined || given === '' ? [folder] : [given, folder];
  return { LD_LIBRARY_PATH: paths.join(':'), POSTSEAL_TEST_LIBRARIES: folder };
}
