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

const [, , url = '', root = '', organisation = '', step = ''] = process.argv;
const random = (length: number): Buffer => randomBytes(length);
const clock = { now: () => Date.now() as UnixMs };
const db = await openDatabase({ url, poolMax: 2 });
const scope = { organisation: organisation as OrganisationId, node: 'test', boot: randomUUID() };
const sealer = createEventSealer({ ...scope, component: 'compact', clock, random });
const committer = createCommitter({ db, sealer, organisation: scope.organisation });
const store = createPackStore({ root, random });

/** The methods of `of`, each with a deadly step before and after it. */
function deadly<T extends object>(of: T): T {
  return new Proxy(of, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function' || typeof name !== 'string') return value;
      return (...values: unknown[]): unknown => {
        reach(`before ${name}`);
        const answer: unknown = Reflect.apply(value, target, values);
        // What it is told piece by piece are steps too.
        if (name === 'gather') return deadly(answer as object);
        if (!(answer instanceof Promise)) {
          reach(`after ${name}`);
          return answer;
        }
        return answer.then((done: unknown) => {
          reach(`after ${name}`);
          return done;
        });
      };
    },
  });
}

function reach(here: string): void {
  if (here === step) process.kill(process.pid, 'SIGKILL');
}

const deps = { db, store: deadly(store), committer: deadly(committer), clock };
const result = await compactPacks(
  { ...deps, startedAt: clock.now() },
  // No rest: what one run empties the next one deletes.
  { ...compactDefaults, restMs: 0 },
);
await committer.close();
await store.close();
await db.close();
process.stdout.write(JSON.stringify(result));
