// Child of the memory test: seals one message of MEGABYTES through the pool and prints by how many bytes
// the process grew at most. usage: node seal-once.ts ROOT MEGABYTES
import { randomBytes, randomUUID } from 'node:crypto';
import { createPackStore } from '../../../src/vault/packs/pack-store.ts';
import { createSealPool } from '../../../src/vault/sealing/seal-pool.ts';

const [root = '', megabytes = '1'] = process.argv.slice(2);
const store = createPackStore({ root, random: (length) => randomBytes(length), reserveBytes: 0 });
const pool = createSealPool();
const piece = Buffer.from(randomBytes(49_152).toString('base64'));

async function seal(pieces: number): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  const sealing = await pool.open(store, randomBytes(32), randomUUID());
  for (let i = 0; i < pieces; i += 1) {
    await sealing.write(piece);
    most = Math.max(most, process.memoryUsage.rss());
  }
  await store.discard(await sealing.finish());
  return most - before;
}

// The first message also pays for the thread; it is not what a message costs.
await seal(32);
process.stdout.write(`${await seal(Number(megabytes) * 16)}\n`);
await pool.close();
await store.close();
