// Child of the crash test of gathering: gathers, then compacts without a rest, and kills itself at the first
// time that a step is reached.
// usage: node gather-until-killed.ts URL ENDPOINT PREFIX ORGANISATION STEP
import { randomBytes, randomUUID } from 'node:crypto';
import { createCommitter } from '../../src/archive/committer/committer.ts';
import { compactDefaults, compactPacks } from '../../src/archive/compact-packs.ts';
import { gatherPacks } from '../../src/archive/gather-packs.ts';
import type { OrganisationId } from '../../src/kernel/ids.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import { createEventSealer } from '../../src/ledger/event/event-sealer.ts';
import { openDatabase } from '../../src/platform/postgres/database.ts';
import { s3PlaceAt } from '../harness/s3-server.ts';
import { openBodiesAt } from '../vault/s3/s3-case.ts';
import { deadly } from './deadly.ts';

const [, , url = '', endpoint = '', prefix = '', organisation = '', step = ''] = process.argv;
const clock = { now: () => Date.now() as UnixMs };
const db = await openDatabase({ url, poolMax: 2 });
const scope = { organisation: organisation as OrganisationId, node: 'test', boot: randomUUID() };
const sealer = createEventSealer({
  ...scope,
  component: 'gather',
  clock,
  random: (length) => randomBytes(length),
});
const committer = createCommitter({ db, sealer, organisation: scope.organisation });
const store = openBodiesAt(s3PlaceAt(endpoint, prefix));

const deps = { db, store: deadly(store, step), committer: deadly(committer, step), clock };
const gathered = await gatherPacks(deps);
const compacted = await compactPacks(
  { ...deps, startedAt: clock.now() },
  { ...compactDefaults, restMs: 0 },
);
await committer.close();
await store.close();
await db.close();
process.stdout.write(JSON.stringify({ gathered, compacted }));
