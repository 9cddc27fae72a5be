// What the set-up keeps about the machine, in a copy of its own, so that this checkout's stays as it is.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';

const checkout = mkdtempSync(join(tmpdir(), 'postseal-setup-'));
cpSync(resolve(import.meta.dirname, '../../scripts/setup'), join(checkout, 'scripts/setup'), {
  recursive: true,
});
afterAll(() => rmSync(checkout, { recursive: true, force: true }));

const tokenFile = join(checkout, '.postseal-cache/token.json');

/** Runs code in the copy with `readResult` and `writeResult` at hand; answers what it prints as JSON. */
function inCopy(code: string): unknown {
  const places = join(checkout, 'scripts/setup/places.mjs');
  const program = `const { readResult, writeResult } = await import(${JSON.stringify(places)}); ${code}`;
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', program]);
  return JSON.parse(said.toString());
}
const write = (token: object): unknown =>
  inCopy(`writeResult(${JSON.stringify({ version: 1, node: { path: '/node' }, token })});
    console.log(JSON.stringify(readResult()));`);
const softhsm = { kind: 'pkcs11', profile: 'softhsm2', module: '/x.so', from: 'installed' };
const named = { kind: 'keyfile', from: 'configured' };

test('a key store that one configuration names is not kept as that of the machine', () => {
  // Not even where nothing else is known; the Node that was found is kept all the same.
  expect(write(named)).toEqual({ version: 1, node: { path: '/node' } });
  expect(existsSync(tokenFile)).toBe(false);
  expect(write(softhsm)).toMatchObject({ token: softhsm });
  expect(write(named)).toMatchObject({ token: softhsm });
  expect(write({ ...softhsm, module: '/named.so', from: 'configured' })).toMatchObject({
    token: softhsm,
  });
  expect(JSON.parse(readFileSync(tokenFile, 'utf8'))).toEqual({
    profile: 'softhsm2',
    module: '/x.so',
    from: 'installed',
  });
});

test('what is gone is looked for again', () => {
  write(softhsm);
  rmSync(tokenFile);
  expect(inCopy('console.log(JSON.stringify(readResult()));')).toEqual({
    version: 1,
    node: { path: '/node' },
  });
  expect(write(softhsm)).toMatchObject({ token: softhsm });
  expect(existsSync(tokenFile)).toBe(true);
});
