// Checks of PostgreSQL and of the ledger in it.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { inboxAgeMs } from '../../ledger/event/inbox.store.ts';
import { readHead } from '../../ledger/sequencer/sequencer.store.ts';
import { clusterFiles } from '../../platform/postgres/cluster.ts';
import type { DoctorCheck, DoctorContext } from './doctor-check.ts';

const checkpointAgeMsMax = 5 * 60_000;
/** While leaves wait for a signature. */
const signatureAgeMsMax = 20_000;
const inboxAgeMsMax = 10_000;
const clockSkewMsMax = 2_000;

/** A home that was started before and rests: nothing is wrong with it. */
function isStopped({ config, running }: Pick<DoctorContext, 'config' | 'running'>): boolean {
  return (
    config.database.url === undefined && !running && existsSync(clusterFiles(config.home).data)
  );
}

export const databaseCheck: DoctorCheck = {
  name: 'database',
  async look({ database, databaseProblem, config, running }) {
    if (isStopped({ config, running })) {
      return { verdict: 'good', text: 'embedded PostgreSQL, not running since no server runs' };
    }
    if (database === undefined) {
      return {
        verdict: 'bad',
        text: databaseProblem ?? 'not reached',
        hint: 'check DATABASE_URL, or start the server',
      };
    }
    const { rows } = await database.pool.query<{ version: string; fsync: string; commit: string }>(
      `SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync,
              current_setting('synchronous_commit') AS commit`,
    );
    const [row] = rows;
    const kind = config.database.url === undefined ? 'embedded' : 'outside';
    const text = `PostgreSQL ${row?.version ?? '?'} (${kind})`;
    if (row?.fsync !== 'on' || row.commit === 'off') {
      return {
        verdict: 'bad',
        text: `${text} may lose acknowledged mail`,
        hint: 'set fsync and synchronous_commit to on',
      };
    }
    return { verdict: 'good', text };
  },
};

export const clockCheck: DoctorCheck = {
  name: 'clock',
  async look({ database, config, running }) {
    if (database === undefined) {
      const verdict = isStopped({ config, running }) ? 'good' : 'warning';
      return { verdict, text: 'not compared: no database runs' };
    }
    const { rows } = await database.pool.query<{ ms: string }>(
      'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint::text AS ms',
    );
    const skew = Math.abs(Number(rows[0]?.ms) - Date.now());
    const text = `${skew} ms between this machine and the database`;
    if (skew <= clockSkewMsMax) return { verdict: 'good', text };
    return { verdict: 'bad', text, hint: 'run chrony or another time service on both' };
  },
};

export const ledgerCheck: DoctorCheck = {
  name: 'ledger',
  async look({ database, config, running, now }) {
    let age: number;
    let size: string;
    try {
      const path = join(config.home, 'ledger', 'checkpoint');
      age = now - statSync(path).mtimeMs;
      size = readFileSync(path, 'utf8').split('\n')[1] ?? '?';
    } catch {
      // No checkpoint file is the finding itself.
      return { verdict: 'warning', text: 'no checkpoint yet', hint: 'start the server' };
    }
    const text = `${size} leaves, checkpoint ${Math.round(age / 1000)} s old`;
    if (!running) return { verdict: 'good', text };
    const waiting = database === undefined ? 0 : await inboxAgeMs(database.pool);
    const leaves = database === undefined ? 0 : ((await readHead(database.pool))?.size ?? 0);
    if (leaves > Number(size) && age > signatureAgeMsMax) {
      return {
        verdict: 'bad',
        text: `${text}, ${leaves - Number(size)} leaves wait for the next: it is not signed`,
        hint: 'see token above and log/postseal.log; it goes on by itself when the token answers',
      };
    }
    if (age > checkpointAgeMsMax || waiting > inboxAgeMsMax) {
      return {
        verdict: 'bad',
        text: `${text}: it does not grow`,
        hint: 'see log/postseal.log; do not delete anything',
      };
    }
    return { verdict: 'good', text };
  },
};
