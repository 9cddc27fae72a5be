// Child of the crash test: appends without end, prints every reference once it is durable.
// usage: node append-until-killed.ts ENDPOINT PREFIX
import { randomBytes, randomUUID } from 'node:crypto';
import { s3PlaceAt } from '../../harness/s3-server.ts';
import { openBodiesAt } from './s3-case.ts';

const [, , endpoint = '', prefix = ''] = process.argv;
const store = openBodiesAt(s3PlaceAt(endpoint, prefix));

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

await Promise.all([loop(), loop(), loop(), loop(), loop(), loop()]);
