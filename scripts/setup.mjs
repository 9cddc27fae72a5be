// Brings a fresh checkout to where it can run: npm packages, Node 26, the PKCS#11 binding, a token.
// Plain JavaScript for Node 20; quick when there is nothing to do. `npm start` and `npm test` call it.
import { fileURLToPath } from 'node:url';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureDependencies } from './setup/dependencies.mjs';
import { ensureNode } from './setup/node-runtime.mjs';
import { ensureBinding } from './setup/pkcs11-binding.mjs';
import { cacheFolder, readResult, writeResult } from './setup/places.mjs';
import { runMain, say, seconds } from './setup/say.mjs';
import { ensureToken } from './setup/token.mjs';

/** @returns `{ node: { path, version, libraryPath }, token }` */
export async function setUp() {
  return onlyOne(async () => {
    await ensureDependencies();
    const node = await ensureNode();
    const earlier = readResult();
    const token = await ensureToken(node, await ensureBinding(node), earlier.token);
    const result = { version: 1, node, token };
    writeResult(result);
    return result;
  });
}

/** `npm start` and `npm test` at the same time must not both run `npm ci`. */
async function onlyOne(work) {
  mkdirSync(cacheFolder, { recursive: true });
  const lock = join(cacheFolder, 'setup.lock');
  for (let told = false; !take(lock); await sleep(300)) {
    const holder = Number(readFileSync(lock, { encoding: 'utf8', flag: 'a+' }));
    if (holder > 0 && !isAlive(holder)) rmSync(lock, { force: true });
    else if (!told) {
      say(`waiting for another set-up (process ${holder})`);
      told = true;
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function take(lock) {
  try {
    const file = openSync(lock, 'wx');
    writeSync(file, String(process.pid));
    closeSync(file);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runMain(async () => {
    const { node, token } = await setUp();
    const keys =
      token.kind === 'pkcs11' ? `${token.profile} at ${token.module}` : 'sealed key file';
    say(`ready in ${seconds()} s: Node ${node.version}, keys in ${keys}`);
  });
}
