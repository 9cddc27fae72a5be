// The ladder to a key token: configured module, installed SoftHSM, SoftHSM by apt as root, SoftHSM
// unpacked without root, NSS softoken, and last the sealed key file with a warning.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { canInstall, installDebian, unpackDebian } from './debian.mjs';
import { canLoadModule } from './pkcs11-binding.mjs';
import { cacheFolder } from './places.mjs';
import { say } from './say.mjs';

const triple = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
const libraryFolders = [`/usr/lib/${triple}`, '/usr/lib64', '/usr/lib', '/usr/local/lib'];
const softhsmNames = ['softhsm/libsofthsm2.so', 'libsofthsm2.so'];
const unpacked = join(cacheFolder, 'softhsm');

/**
 * Chooses the token.
 * @param earlier the choice of the last set-up, kept while its module still loads.
 * @returns `{ kind: 'pkcs11', module, profile, from }` or `{ kind: 'keyfile', from }`.
 */
export async function ensureToken(node, bindingWorks, earlier) {
  const configured = fromConfiguration();
  if (configured !== undefined) return configured;
  if (bindingWorks) {
    if (earlier?.kind === 'pkcs11' && works(node, earlier.module)) return earlier;
    for (const step of [installed, byApt, withoutRoot, nss]) {
      const found = await step(node);
      if (found !== undefined) {
        say(`keys live in ${found.profile} (${found.module})`);
        return found;
      }
    }
  }
  say('WARNING: no PKCS#11 token; keys go to a sealed key file, fit for development only');
  return { kind: 'keyfile', from: 'fallback' };
}

/** A configuration that names its token needs nothing from us. */
function fromConfiguration() {
  const path = configurationPath();
  if (path === undefined || !existsSync(path)) return undefined;
  let keys;
  try {
    keys = JSON.parse(readFileSync(path, 'utf8')).keys;
  } catch {
    // The server reports a broken configuration better than we can.
    return undefined;
  }
  if (keys?.store === 'keyfile') return { kind: 'keyfile', from: 'configured' };
  const module = keys?.pkcs11?.module;
  if (typeof module !== 'string') return undefined;
  return { kind: 'pkcs11', module, profile: keys.pkcs11.profile ?? 'softhsm2', from: 'configured' };
}

function configurationPath() {
  const at = process.argv.indexOf('--config');
  return at === -1 ? process.env.POSTSEAL_CONFIG : process.argv[at + 1];
}

function installed(node) {
  return softhsm(node, libraryFolders, 'installed');
}

async function byApt(node) {
  if (!canInstall || process.env.POSTSEAL_TEST_NO_INSTALL === '1') return undefined;
  const done = await installDebian(['softhsm2'], 'a software token for the keys');
  return done ? softhsm(node, libraryFolders, 'apt') : undefined;
}

async function withoutRoot(node) {
  const folders = [`${unpacked}/usr/lib/${triple}`, `${unpacked}/usr/lib`];
  const present = softhsm(node, folders, 'unpacked');
  if (present !== undefined || process.env.POSTSEAL_TEST_NO_INSTALL === '1') return present;
  const why = 'a software token for the keys';
  const done = await unpackDebian(['libsofthsm2', 'softhsm2-common'], unpacked, why);
  return done ? softhsm(node, folders, 'unpacked') : undefined;
}

function nss(node) {
  for (const folder of [`/usr/lib/${triple}/nss`, ...libraryFolders]) {
    const module = join(folder, 'libsoftokn3.so');
    if (works(node, module)) return { kind: 'pkcs11', module, profile: 'nss-softokn', from: 'nss' };
  }
  return undefined;
}

function softhsm(node, folders, from) {
  for (const folder of folders) {
    for (const name of softhsmNames) {
      const module = join(folder, name);
      if (works(node, module)) return { kind: 'pkcs11', module, profile: 'softhsm2', from };
    }
  }
  return undefined;
}

function works(node, module) {
  return existsSync(module) && canLoadModule(node, module);
}
