// Child of the compaction's crash test: kills itself at the first time that a step is reached.
// usage: node compact-until-killed.ts URL PACKS ORGANISATION STEP
import { randomBytes, randomUUID } from 'node:crypto';
import { createCommitter } from '../../src/archive/committer/committer.ts';
import { compactDefaults, compactPacks } from '../../src/archive/compact-packs.ts';
import type { OrganisationId } from '../../src/kernel/ids.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import { createEventSealer } from '../../src/ledger/event/event-sealer.ts';
import { openDatabase } from '../../src/platform/postgres/database.ts';
import { createPackStore } from '../../src/vault/packs/pack-store.ts';
import { deadly } from './deadly.ts';

const [, , url = '', root = '', organisation = '', step = ''] = process.argv;
const random = (length: number): Buffer => randomBytes(length);
const clock = { now: () => Date.now() as UnixMs };
const db = await openDatabase({ url, poolMax: 2 });
const scope = { organisation: organisation as OrganisationId, node: 'test', boot: randomUUID() };
const sealer = createEventSealer({ ...scope, component: 'compact', clock, random });
const committer = createCommitter({ db, sealer, organisation: scope.organisation });
const store = createPackStore({ root, random });

const deps = { db, store: deadly(store, step), committer: deadly(committer, step), clock };
const result = await compactPacks(
  { ...deps, startedAt: clock.now() },
  // No rest: what one run empties the next one deletes.
  { ...compactDefaults, restMs: 0 },
);
await committer.close();
await store.close();
await db.close();
process.stdout.write(JSON.stringify(result));
