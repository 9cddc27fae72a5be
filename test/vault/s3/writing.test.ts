// What the contract cannot see: how many objects and requests there are, what a store that keeps other bytes
// than it was given leads to, and a process that is killed between put and commit.
import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { PostsealError } from '../../../src/kernel/errors.ts';
import type { BodyStore, PackRef } from '../../../src/vault/packs/body-store.ts';
import type { ObjectStore } from '../../../src/vault/s3/object-store.ts';
import { createS3BodyStore } from '../../../src/vault/s3/s3-body-store.ts';
import type { S3Place } from '../../../src/vault/s3/s3-client.ts';
import { openS3Objects } from '../../../src/vault/s3/s3-objects.ts';
import { type S3Server, startS3Server } from '../../harness/s3-server.ts';
import { all } from '../packs/scan-items.ts';
import { openBodiesAt } from './s3-case.ts';

let server: S3Server;
let place: S3Place;
beforeAll(async () => {
  server = await startS3Server();
}, 60_000);
beforeEach(() => {
  place = server.place(`writing-${randomUUID()}`);
});
afterAll(() => server.close());

interface Watched {
  readonly store: BodyStore;
  readonly calls: string[];
  inFlight: number;
  inFlightMax: number;
}

/** The store over real objects, with calls counted and `change` in between. */
function open(change: Partial<ObjectStore> = {}, cacheBytes = 1_048_576): Watched {
  const objects = openS3Objects(place);
  const calls: string[] = [];
  const watched = new Proxy(objects, {
    get(target, name) {
      const value: unknown = Reflect.get(change, name) ?? Reflect.get(target, name);
      if (typeof value !== 'function' || typeof name !== 'string') return value;
      return (...values: unknown[]): unknown => {
        calls.push(name);
        if (name === 'put') {
          seen.inFlight += 1;
          seen.inFlightMax = Math.max(seen.inFlight, seen.inFlightMax);
        }
        const answer: unknown = Reflect.apply(value, target, values);
        if (name === 'put') void (answer as Promise<void>).finally(() => (seen.inFlight -= 1));
        return answer;
      };
    },
  });
  const store = createS3BodyStore({
    objects: watched,
    random: (length) => randomBytes(length),
    now: () => performance.now(),
    cacheBytes,
    batchBytes: 200_000,
    pendingBytesMax: 2_000_000,
  });
  const seen: Watched = { store, calls, inFlight: 0, inFlightMax: 0 };
  return seen;
}

async function put(store: BodyStore, payload: Uint8Array): Promise<PackRef> {
  const ref = store.append({ objectId: randomUUID() }, payload);
  await store.sync(ref);
  return ref;
}

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error: unknown) => (error instanceof PostsealError ? error.code : String(error)),
  );

describe('the S3 body store', () => {
  test('puts no object a message, at most four at once, and reads each back before it says yes', async () => {
    const watched = open();
    const { store, calls } = watched;
    const payloads = Array.from({ length: 300 }, () => randomBytes(4_000));
    await Promise.all(
      payloads.map(async (payload, i) => {
        await new Promise((go) => setTimeout(go, i % 20));
        await put(store, payload);
      }),
    );
    const puts = calls.filter((call) => call === 'put').length;
    expect(puts).toBeLessThan(60);
    expect(watched.inFlightMax).toBeLessThanOrEqual(4);
    expect(calls.filter((call) => call === 'get')).toHaveLength(puts);
    await store.close();
  });

  test('what was just written is read from memory, in bounded memory', async () => {
    const { store, calls } = open({}, 80_000);
    const refs: PackRef[] = [];
    for (let i = 0; i < 30; i += 1) refs.push(await put(store, randomBytes(9_000)));
    const before = calls.filter((call) => call === 'get').length;
    await store.read(refs[29]!);
    expect(calls.filter((call) => call === 'get')).toHaveLength(before);
    // An old one is not kept, and two who ask for it at once ask once.
    await Promise.all([store.read(refs[0]!), store.read(refs[0]!)]);
    expect(calls.filter((call) => call === 'get')).toHaveLength(before + 1);
    await store.close();
  });

  test('other bytes than were given are refused before anybody is told yes', async () => {
    const honest = openS3Objects(place);
    const lying: Partial<ObjectStore> = {
      put: (key, bytes) => {
        const other = Buffer.from(bytes);
        other[100]! ^= 1;
        return honest.put(key, other);
      },
    };
    const { store } = open(lying);
    expect(await codeOf(put(store, randomBytes(500)))).toBe('store.write-failed');
    const { store: another } = open(lying);
    const body = await another.appendStream({ objectId: randomUUID() });
    await body.write(randomBytes(10_000));
    expect(await codeOf(body.finish())).toBe('store.write-failed');
    await store.close();
    await another.close();
    honest.close();
  });

  test('what waits for a store that hangs is bounded', async () => {
    let release = (): void => undefined;
    const gate = new Promise<void>((done) => (release = done));
    const honest = openS3Objects(place);
    const { store } = open({
      put: async (key, bytes) => {
        await gate;
        await honest.put(key, bytes);
      },
    });
    const done: Promise<string>[] = [];
    let refused = 0;
    for (let i = 0; i < 60; i += 1) {
      try {
        done.push(codeOf(put(store, randomBytes(100_000))));
        await Promise.resolve();
      } catch {
        refused += 1;
      }
    }
    release();
    const codes = await Promise.all(done);
    refused += codes.filter((code) => code === 'store.unreachable').length;
    expect(refused).toBeGreaterThanOrEqual(40);
    expect(codes.filter((code) => code === 'ok').length).toBeGreaterThanOrEqual(15);
    await store.close();
    honest.close();
  });

  test('takes so many large bodies at once and no more, and each that ends makes room', async () => {
    const { store } = open();
    const bodies = [];
    for (let i = 0; i < 32; i += 1)
      bodies.push(await store.appendStream({ objectId: randomUUID() }));
    expect(await codeOf(store.appendStream({ objectId: randomUUID() }))).toBe('intake.busy');
    await bodies[0]!.write(randomBytes(100));
    await bodies[0]!.finish();
    await bodies[1]!.abort();
    await bodies[1]!.abort();
    bodies.push(await store.appendStream({ objectId: randomUUID() }));
    bodies.push(await store.appendStream({ objectId: randomUUID() }));
    expect(await codeOf(store.appendStream({ objectId: randomUUID() }))).toBe('intake.busy');
    for (const body of bodies) await body.abort();
    await store.close();
  });

  test('a store that takes connections and says nothing is given up', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const sockets: Socket[] = [];
    silent.on('connection', (socket: Socket) => sockets.push(socket));
    const { port } = silent.address() as AddressInfo;
    const store = openBodiesAt({ ...place, endpoint: `http://127.0.0.1:${port}` });
    expect(await codeOf(put(store, randomBytes(100)))).toBe('store.unreachable');
    // Asked again and again, not for ever.
    expect(sockets.length).toBeGreaterThan(1);
    expect(sockets.length).toBeLessThan(10);
    for (const socket of sockets) socket.destroy();
    silent.close();
    await store.close();
  }, 120_000);

  test('killed at any moment, what it said yes to is whole, and the rest is no damage', async () => {
    const child = spawn(
      process.execPath,
      [
        fileURLToPath(new URL('append-until-killed.ts', import.meta.url)),
        server.endpoint,
        place.prefix,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let text = '';
    await new Promise<void>((resolve) => {
      child.stdout.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
        if (text.split('\n').length > 200) child.kill('SIGKILL');
      });
      child.on('close', () => resolve());
    });
    const lines = text.split('\n').slice(0, -1);
    expect(lines.length).toBeGreaterThanOrEqual(200);
    const { store } = open();
    for (const line of lines) {
      const ref = JSON.parse(line) as PackRef & { sha256: string };
      const whole: PackRef = { ...ref, sha256: Buffer.from(ref.sha256, 'hex') };
      expect(await store.verify(whole)).toBeUndefined();
    }
    const items = await all(store.scrub());
    expect(items.filter(({ type }) => type === 'finding')).toEqual([]);
    expect(items.length).toBeGreaterThanOrEqual(lines.length);
    await store.close();
  }, 120_000);
});
