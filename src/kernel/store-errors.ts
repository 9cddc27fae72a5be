// Codes of the stores of sealed bytes: packs on disk, objects in an S3 store.
import { errorSpec as spec } from './error-spec.ts';

export const storeErrors = {
  'store.conflict': spec('The object changed meanwhile.', 'read it again and repeat', true, 1),
  'store.aborted': spec('The operation was rolled back.', 'repeat it', true, 1),
  'store.write-failed': spec(
    'Sealed bytes could not be written.',
    'check the disk and the system log; the operation may be repeated',
    true,
    1,
  ),
  'store.unreachable': spec(
    'The object store does not answer, or refuses us.',
    'check that it runs, its address, bucket and credentials; intake answers 4xx until it is back',
    true,
    1,
  ),
  'store.object-missing': spec(
    'The object store has no such object.',
    'run postseal scrub; restore from backup',
    false,
    1,
  ),
  'store.locked': spec(
    'The object store keeps this object under a lock.',
    'wait for the end of its retention',
    false,
    1,
  ),
  'config.store-lock': spec(
    'The object store does not hold what it locks.',
    'use a store and a bucket with Object Lock in compliance mode, or say bodies.s3.lock off where nothing has to be locked',
    false,
    78,
  ),
  'config.body-store': spec(
    'The bodies of this home lie in another store.',
    'set bodies as it was at the first start of this home',
    false,
    78,
  ),
} as const;
