// Real tokens for tests. A module reads its environment from the process, but Jest gives its files a
// copy of `process.env`; a worker that shares the real one sets the variable for good.
import { existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { readTokenChoice } from '../../src/platform/config/token-choice.ts';
import { openPkcs11Store, type Pkcs11StoreOptions } from '../../src/vault/pkcs11/pkcs11-store.ts';
import { loadProfile } from '../../src/vault/pkcs11/profile.ts';
import type { KeyStore } from '../../src/vault/keys/key-store.ts';

/** The first module of the profile that this machine has, or the one that the set-up unpacked. */
export function moduleOf(profile: string): string | undefined {
  const { modules } = loadProfile(profile);
  const unpacked = process.env['POSTSEAL_TEST_LIBRARIES'];
  const ofTests =
    unpacked === undefined ? [] : modules.map((path) => join(unpacked, basename(path)));
  const found = [...ofTests, ...modules].find((path) => existsSync(path));
  if (found !== undefined) return found;
  const choice = readTokenChoice();
  return choice.profile === profile ? choice.module : undefined;
}

/** A fresh folder for keys, mode 0700. */
export function newKeysFolder(): string {
  const folder = join(mkdtempSync(join(tmpdir(), 'postseal-keys-')), 'keys');
  mkdirSync(folder, { mode: 0o700 });
  return folder;
}

/** Opens a store on a software token in `folder`; the token is made when there is none. */
export async function openTestToken(
  profile: 'softhsm2' | 'nss-softokn',
  folder: string,
  organisationId: string,
  more: Partial<Pkcs11StoreOptions> = {},
): Promise<KeyStore> {
  const module = moduleOf(profile);
  if (module === undefined) throw new Error(`no module for ${profile} on this machine`);
  const { configuration } = loadProfile(profile);
  if (configuration !== undefined) {
    await setRealEnvironment(configuration.environment, join(folder, `${profile}.conf`));
  }
  return openPkcs11Store({
    module,
    profile: loadProfile(profile),
    folder,
    label: 'postseal',
    organisationId,
    provision: true,
    now: () => Date.now(),
    ...more,
  });
}

async function setRealEnvironment(name: string, value: string): Promise<void> {
  const code = `process.env[${JSON.stringify(name)}] = ${JSON.stringify(value)}`;
  const worker = new Worker(code, { eval: true, env: SHARE_ENV });
  await new Promise((resolve) => worker.once('exit', resolve));
}
