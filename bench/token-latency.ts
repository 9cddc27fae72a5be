// What a token itself takes, as the key service and the signer use it (in a thread of its own): wraps,
// unwraps and signatures by one caller and by sixteen, for every token and mechanism that this machine has.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { KeyStore } from '../src/vault/keys/key-store.ts';
import { loadProfile, type TokenProfile } from '../src/vault/pkcs11/profile.ts';
import { openThreadedStore } from '../src/vault/pkcs11/threaded-store.ts';
import { percentiles } from './percentiles.ts';

interface Measured {
  readonly perSecond: number;
  /** ms. */
  readonly times: readonly [number, number, number];
  /** By how much a timer of the caller's event loop is late, 99th percentile, ms. */
  readonly loopDelay: number;
}

async function measure(
  callers: number,
  runMs: number,
  call: () => Promise<unknown>,
): Promise<Measured> {
  for (let i = 0; i < 20; i += 1) await call();
  const times: number[] = [];
  const start = performance.now();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const one = async (): Promise<void> => {
    for (let from = performance.now(); from - start < runMs;) {
      await call();
      const now = performance.now();
      times.push(now - from);
      from = now;
    }
  };
  await Promise.all(Array.from({ length: callers }, one));
  delay.disable();
  const perSecond = (times.length / (performance.now() - start)) * 1_000;
  return { perSecond, times: percentiles(times), loopDelay: delay.percentile(99) / 1e6 };
}

/** Tokens of this machine; NSS twice, since it does both mechanisms. */
function tokens(): TokenProfile[] {
  const softhsm = loadProfile('softhsm2');
  const nss = loadProfile('nss-softokn');
  const all = [softhsm, nss, { ...nss, kekMechanisms: ['aes-kwp'] as const }];
  return all.filter(({ modules }) => modules.some((path) => existsSync(path)));
}

async function work(store: KeyStore): Promise<(readonly [string, () => Promise<unknown>])[]> {
  const { id } = await store.ensureKek(1);
  const context = randomBytes(57);
  const key = randomBytes(32);
  const blob = await store.wrap(id, context, key);
  const signing = await store.ensureSigningKey('bench');
  const digest = createHash('sha256').update(key).digest();
  return [
    ['wrap', () => store.wrap(id, context, key)],
    ['unwrap', () => store.unwrap(id, context, blob)],
    ['sign', () => signing.sign(digest)],
  ];
}

/** Rows of a Markdown table; `folder` is for the tokens. */
export async function measureTokens(folder: string, runMs: number): Promise<string[]> {
  const rows = [
    '| token and mechanism | work | callers | a second | p50 ms | p95 ms | p99 ms | loop delay p99, ms |',
    '|---|---|---|---|---|---|---|---|',
  ];
  for (const [i, profile] of tokens().entries()) {
    const own = join(folder, `token-${i}`);
    mkdirSync(own, { mode: 0o700 });
    const store = await openThreadedStore({
      module: profile.modules.find((path) => existsSync(path)) ?? '',
      profile,
      folder: own,
      label: 'postseal',
      organisationId: randomUUID(),
      provision: true,
    });
    const { mechanism } = await store.health();
    for (const [name, call] of await work(store)) {
      for (const callers of [1, 16]) {
        const { perSecond, times, loopDelay } = await measure(callers, runMs, call);
        const rounded = Math.round(perSecond).toLocaleString('en');
        const cells = [...times, loopDelay].map((ms) => ms.toFixed(2));
        const head = [`${profile.name}, ${mechanism}`, name, callers, rounded];
        rows.push(`| ${[...head, ...cells].join(' | ')} |`);
      }
    }
    await store.close();
    rmSync(own, { recursive: true, force: true });
  }
  return rows;
}
