// Debian packages: installed as root, or downloaded and unpacked into the cache folder without root
// (a private apt state beside the system's; nothing of the system is changed).
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './places.mjs';
import { findProgram, isRoot, lastLines, runQuietly } from './programs.mjs';
import { say } from './say.mjs';

const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
let listsFresh = false;

export const canInstall = isRoot && findProgram('apt-get') !== undefined;

/** Installs as root; true when every package is there afterwards. Says what it does and why. */
export async function installDebian(packages, why) {
  if (!canInstall || packages.length === 0) return packages.length === 0;
  say(`apt-get install ${packages.join(' ')} (${why})`);
  const install = () =>
    runQuietly(
      'apt-get',
      [
        '-y',
        '-q',
        '-o',
        'DPkg::Lock::Timeout=120',
        '--no-install-recommends',
        'install',
        ...packages,
      ],
      { env: environment },
    );
  let done = await install();
  if (!done.ok && !listsFresh) {
    // The lists are missing or old, as in every fresh container.
    await runQuietly('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', 'update'], {
      env: environment,
    });
    listsFresh = true;
    done = await install();
  }
  if (!done.ok) say(`apt-get failed: ${lastLines(done.output, 2)}`);
  return done.ok;
}

/**
 * Unpacks packages below `folder` without root, with `needed: true` also those that they need and the
 * machine has not.
 * @returns whether all could be fetched and unpacked.
 */
export async function unpackDebian(packages, folder, why, { needed = false } = {}) {
  const aptGet = findProgram('apt-get');
  const dpkgDeb = findProgram('dpkg-deb');
  if (aptGet === undefined || dpkgDeb === undefined) return false;
  say(`unpacking the Debian packages ${packages.join(' ')} into the cache, without root (${why})`);
  const { archives, options } = privateState();
  const run = async (...args) => {
    const done = await runQuietly(aptGet, [...options, '-q', ...args], {
      cwd: archives,
      env: environment,
    });
    if (!done.ok) {
      say(`apt-get ${args[0]} without root failed: ${lastLines(done.output, 2)}`);
    }
    return done.ok ? done.output : undefined;
  };
  if ((await run('update')) === undefined) return false;
  let all = packages;
  if (needed) {
    const plan = await run('install', '--simulate', '--no-install-recommends', ...packages);
    if (plan === undefined) return false;
    all = newInPlan(plan);
  }
  if ((await run('download', ...all)) === undefined) return false;
  mkdirSync(folder, { recursive: true });
  for (const name of all) {
    const file = readdirSync(archives).find((entry) => entry.startsWith(`${name}_`));
    if (file === undefined) return false;
    const done = await runQuietly(dpkgDeb, ['-x', join(archives, file), folder]);
    if (!done.ok) return false;
  }
  return true;
}

/** A state of apt of our own, beside the system's. */
function privateState() {
  const state = join(cacheFolder, 'apt', 'state');
  const archives = join(cacheFolder, 'apt', 'archives');
  const cache = join(cacheFolder, 'apt', 'cache');
  for (const made of [
    join(state, 'lists', 'partial'),
    archives,
    join(cache, 'archives', 'partial'),
  ]) {
    mkdirSync(made, { recursive: true });
  }
  const settings = [
    `Dir::State=${state}`,
    'Dir::State::status=/var/lib/dpkg/status',
    `Dir::Cache=${cache}`,
    // Nothing is installed, so the system's lock is not ours to take.
    'Debug::NoLocking=true',
  ];
  return { archives, options: settings.flatMap((setting) => ['-o', setting]) };
}

/** Lines such as `Inst mutt (2.2.12 …)`; one with the old version in brackets is there already. */
function newInPlan(plan) {
  return [...plan.matchAll(/^Inst (\S+) \(/gm)].map(([, name]) => name);
}

/** Names of installed Debian packages, from dpkg's own list. */
export function installedDebian() {
  const status = '/var/lib/dpkg/status';
  if (!existsSync(status)) return new Set();
  const names = new Set();
  for (const block of readFileSync(status, 'utf8').split('\n\n')) {
    if (!/^Status: install ok installed$/m.test(block)) continue;
    const name = /^Package: (.+)$/m.exec(block)?.[1];
    if (name !== undefined) names.add(name);
  }
  return names;
}
