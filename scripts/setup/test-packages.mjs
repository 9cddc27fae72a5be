// What the tests need beside the server. Missing packages are installed as root; where they cannot be,
// the tests that need them are skipped by name (test/harness/needs.ts), which CI counts as failure.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { canInstall, installDebian } from './debian.mjs';
import { root } from './places.mjs';
import { findProgram } from './programs.mjs';
import { say } from './say.mjs';

export async function ensureTestPackages() {
  const missing = readList().filter((entry) => !isPresent(entry.file));
  if (missing.length === 0) return;
  const names = missing.map((entry) => entry.package);
  if (process.env.POSTSEAL_TEST_NO_INSTALL === '1' || !canInstall) {
    const reason = canInstall ? 'POSTSEAL_TEST_NO_INSTALL=1' : 'only root can install packages';
    say(`not installed: ${names.join(', ')} (${reason}); tests that need them are skipped by name`);
    return;
  }
  for (const entry of missing) say(`missing: ${entry.package} (${entry.why})`);
  if (await installDebian(names, 'for the tests')) return;
  // One package that this Debian lacks must not take the others along.
  for (const entry of missing) await installDebian([entry.package], entry.why);
}

function readList() {
  return JSON.parse(readFileSync(join(root, 'scripts', 'test-packages.json'), 'utf8'));
}

function isPresent(file) {
  const triple = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  return file
    .replaceAll('{triple}', triple)
    .split('|')
    .some((name) => (name.startsWith('/') ? existsSync(name) : findProgram(name) !== undefined));
}
