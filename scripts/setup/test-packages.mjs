// What the tests need beside the server. Missing packages are installed as root, and unpacked without root
// where their programs need no place or user of the system (`unpack` in scripts/test-packages.json;
// `libraries` are the packages of a library and of what it needs). Where neither can be, the tests that need them are skipped by name (test/harness/needs.ts), which CI counts as
// failure.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { canInstall, installDebian } from './debian.mjs';
import { root } from './places.mjs';
import { findProgram, isRoot } from './programs.mjs';
import { say } from './say.mjs';
import { hasUnpackedLibrary, libraryEnvironment, unpackLibraries } from './unpacked-libraries.mjs';
import { unpackedPrograms, unpackPrograms } from './unpacked-programs.mjs';

/** @returns what the tests' environment must have beside the usual. */
export async function ensureTestPackages(node) {
  const missing = readList().filter((entry) => !isPresent(entry.file));
  if (missing.length > 0) await provide(missing);
  if (isRoot) return {};
  const libraries = libraryEnvironment(node);
  if (!existsSync(unpackedPrograms)) return libraries;
  return { ...libraries, PATH: `${process.env.PATH}:${unpackedPrograms}` };
}

async function provide(missing) {
  if (process.env.POSTSEAL_TEST_NO_INSTALL === '1') {
    sayMissing(missing, 'POSTSEAL_TEST_NO_INSTALL=1');
    return;
  }
  for (const entry of missing) say(`missing: ${entry.package} (${entry.why})`);
  if (!canInstall) {
    const can = missing.filter((entry) => entry.unpack === true);
    const libraries = missing.filter((entry) => entry.libraries !== undefined);
    const cannot = missing.filter((entry) => !can.includes(entry) && !libraries.includes(entry));
    const failed = [
      ...(await unpackPrograms(can, 'for the tests')),
      ...(await unpackLibraries(libraries, 'for the tests')),
    ];
    sayMissing([...cannot, ...failed], 'only root can install packages');
    return;
  }
  const names = missing.map((entry) => entry.package);
  if (await installDebian(names, 'for the tests')) return;
  // One package that this Debian lacks must not take the others along.
  for (const entry of missing) await installDebian([entry.package], entry.why);
}

function sayMissing(entries, reason) {
  if (entries.length === 0) return;
  const names = entries.map((entry) => entry.package).join(', ');
  say(`not installed: ${names} (${reason}); tests that need them are skipped by name`);
}

function readList() {
  return JSON.parse(readFileSync(join(root, 'scripts', 'test-packages.json'), 'utf8'));
}

function isPresent(file) {
  const triple = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  return file
    .replaceAll('{triple}', triple)
    .split('|')
    .some((name) => (name.startsWith('/') ? hasFile(name) : hasProgram(name)));
}

function hasFile(path) {
  return existsSync(path) || (!isRoot && hasUnpackedLibrary(path));
}

function hasProgram(name) {
  if (findProgram(name) !== undefined) return true;
  return !isRoot && existsSync(join(unpackedPrograms, name));
}
