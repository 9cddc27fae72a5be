// A process that sends a job, takes it, says so, and never ends it, so that a test can kill it while it works.
import type { UnixMs } from '../../../src/kernel/time.ts';
import { createAlertBus } from '../../../src/platform/alerts/alert-bus.ts';
import { createJobs } from '../../../src/platform/jobs/jobs.ts';
import { openDatabase } from '../../../src/platform/postgres/database.ts';
import { createMemoryLog } from '../../harness/memory-log.ts';

const [url = '', name = '', options = '{}'] = process.argv.slice(2);
const database = await openDatabase({ url, poolMax: 3 });
const log = createMemoryLog();
const jobs = createJobs({
  database,
  log,
  alerts: createAlertBus({ log, now: () => 0 as UnixMs }),
  holder: 'the one that dies',
  pollSeconds: 0.5,
  silentSeconds: 10,
});
jobs.define(
  name,
  (_data, { id, attempt }) => {
    process.stdout.write(`${id} ${String(attempt)}\n`);
    return new Promise<never>(() => undefined);
  },
  JSON.parse(options) as object,
);
await jobs.start();
await jobs.send(name, {});
