// The contract of body stores on an S3 server (s3rver); "away" is the kill of its process. The same suite runs
// on Ceph with Object Lock in test/large/.
import { afterAll, beforeAll } from '@jest/globals';
import { bodyStoreContract } from '../../contract/body-store.contract.ts';
import { type S3Server, startS3Server } from '../../harness/s3-server.ts';
import { s3Case } from './s3-case.ts';

let server: S3Server;
beforeAll(async () => {
  server = await startS3Server();
}, 60_000);
afterAll(() => server.close());

bodyStoreContract(
  s3Case({
    place: (prefix) => server.place(prefix),
    away: () => server.away(),
    back: () => server.back(),
    locks: false,
  }),
);
