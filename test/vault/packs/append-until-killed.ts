// Child of the crash test: appends without end, prints every reference once it is durable.
// usage: node append-until-killed.ts ROOT
import { randomBytes, randomUUID } from 'node:crypto';
import { createPackStore } from '../../../src/vault/packs/pack-store.ts';

const store = createPackStore({
  root: process.argv[2] ?? '',
  random: (length) => randomBytes(length),
  packBytes: 200_000,
  reserveBytes: 0,
});

async function loop(): Promise<never> {
  for (;;) {
    const objectId = randomUUID();
    const ref = store.append({ objectId }, randomBytes(200 + Math.floor(Math.random() * 20_000)));
    await store.sync(ref);
    const { pack, offset, length } = ref;
    const sha256 = ref.sha256.toString('hex');
    process.stdout.write(`${JSON.stringify({ pack, offset, length, sha256 })}\n`);
  }
}

await Promise.all([loop(), loop(), loop(), loop()]);
