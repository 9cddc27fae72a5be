// Bodies on disk beside bodies in an S3 bucket: acknowledgements a second at so many writers at once, and
// reads, each through the port of body stores. The S3 server is s3rver on the loopback of this very machine:
// it shows what the driver costs, not what a service does.
// usage: node bench/body-stores.ts [--seconds 3] [writers …]
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { BodyStore, PackRef } from '../src/vault/packs/body-store.ts';
import { createPackStore } from '../src/vault/packs/pack-store.ts';
import { createS3BodyStore } from '../src/vault/s3/s3-body-store.ts';
import { openS3Objects } from '../src/vault/s3/s3-objects.ts';
import { startS3Server } from '../test/harness/s3-server.ts';
import { percentiles } from './percentiles.ts';

const bodyBytes = 12_000;
const { values, positionals } = parseArgs({
  options: { seconds: { type: 'string', default: '3' } },
  allowPositionals: true,
});
const milliseconds = Number(values.seconds) * 1_000;
const counts = positionals.length > 0 ? positionals.map(Number) : [1, 20, 64];
const random = (length: number): Buffer => randomBytes(length);

/** Calls `work` from so many loops at once until the time is over; answers the times of all calls. */
async function timed(loops: number, work: () => Promise<unknown>): Promise<number[]> {
  const end = performance.now() + milliseconds;
  const times: number[] = [];
  const loop = async (): Promise<void> => {
    while (performance.now() < end) {
      const start = performance.now();
      await work();
      times.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: loops }, loop));
  return times;
}

async function measure(name: string, open: () => BodyStore): Promise<void> {
  for (const count of counts) {
    const writer = open();
    const refs: PackRef[] = [];
    const payload = randomBytes(bodyBytes);
    const writes = await timed(count, async () => {
      const ref = writer.append({ objectId: randomUUID() }, payload);
      await writer.sync(ref);
      refs.push(ref);
    });
    await writer.close();
    // Another process: nothing is in its memory.
    const reader = open();
    let next = 0;
    const reads = await timed(Math.min(count, 8), async () => {
      const ref = refs[(next += 7) % refs.length];
      if (ref !== undefined) await reader.read(ref);
    });
    await reader.close();
    const row = (times: number[]): string =>
      `${Math.round((times.length * 1_000) / milliseconds)}/s (p50 ${percentiles(times)[0].toFixed(1)} ms)`;
    process.stdout.write(`${name}, ${count} at once: durable ${row(writes)}, read ${row(reads)}\n`);
  }
}

const root = mkdtempSync(join(tmpdir(), 'postseal-bench-'));
const server = await startS3Server();
try {
  await measure('packs', () => createPackStore({ root, random }));
  await measure('s3   ', () =>
    createS3BodyStore({
      ...{ objects: openS3Objects(server.place('bench')), random, cacheBytes: 1 },
      now: () => performance.now(),
    }),
  );
} finally {
  await server.close();
  rmSync(root, { recursive: true, force: true });
}
