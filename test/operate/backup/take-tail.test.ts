// How far a tail reaches, against the embedded server with an archiver that is late, as on a busy machine.
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { OrganisationId } from '../../../src/kernel/ids.ts';
import type { BackupState } from '../../../src/operate/backup/backup-state.ts';
import { PieceWriter } from '../../../src/operate/backup/piece-writer.ts';
import { takeTail } from '../../../src/operate/backup/take-tail.ts';
import { archiveSettings, walSpool } from '../../../src/platform/postgres/archiving.ts';
import { type Database, openDatabase } from '../../../src/platform/postgres/database.ts';
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../../src/platform/postgres/embedded.ts';

jest.setTimeout(120_000);

const root = mkdtempSync(join(tmpdir(), 'postseal-tail-'));
const home = join(root, 'home');
/** What has come out of the archiver so far, as the tail sees it. */
const late = join(root, 'late');
const organisation = '01980000-0000-7000-8000-000000000001' as OrganisationId;
let server: EmbeddedPostgres;
let database: Database;

beforeAll(async () => {
  mkdirSync(home);
  mkdirSync(late);
  server = await startEmbeddedPostgres({ home, settings: archiveSettings(home) });
  database = await openDatabase({ url: server.superuserUrl, poolMax: 1, name: 'tail test' });
});
afterAll(async () => {
  await database.close();
  await server.stop();
  rmSync(root, { recursive: true, force: true });
});

const target = join(root, 'target');
const key = { id: organisation, key: randomBytes(32), wrap: randomBytes(62) };
const stateAt = (lastSegment: string): BackupState => ({
  ...{ target, base: 'b', baseKind: 'full', last: 'b', lastPath: '', lastSegment },
  pieces: new Map(),
});

/** Takes a tail behind `lastSegment`. */
async function tail(lastSegment: string) {
  const writer = new PieceWriter({ target, organisation, key });
  const wal = { spool: late, client: database.pool };
  const taken = await takeTail({ home, now: () => new Date(), wal }, stateAt(lastSegment), writer);
  await writer.close();
  return taken;
}

async function finishSegment(): Promise<string> {
  const { rows } = await database.pool.query<{ segment: string }>(
    `SELECT pg_walfile_name(pg_switch_wal() - 1) AS segment`,
  );
  return rows[0]?.segment ?? '';
}

const archived = (): string[] =>
  readdirSync(walSpool(home)).filter((name) => /^[0-9A-F]{24}$/.test(name));

/** What the archiver has and is newer than `after` comes out. */
function catchUp(after = ''): void {
  for (const name of archived()) {
    if (name > after) copyFileSync(join(walSpool(home), name), join(late, name));
  }
}

async function archive(until: string): Promise<void> {
  for (let tries = 0; !archived().some((name) => name >= until); tries += 1) {
    if (tries === 600) throw new Error(`never archived: ${until}`);
    await sleep(50);
  }
  catchUp();
}

/** A tail behind `last`, while the archiver is late by a moment and hands out nothing up to `after`. */
async function tailOf(last: string, after = '') {
  const timer = setInterval(() => catchUp(after), 300);
  try {
    return await tail(last);
  } finally {
    clearInterval(timer);
  }
}

test('a segment that was finished before the tail and is not archived yet is waited for', async () => {
  const before = await finishSegment();
  await archive(before);
  await database.pool.query('CREATE TABLE acknowledged (n int)');
  // Somebody else ends the segment: the timeout of the archive, the end of a base backup, or its being full.
  const segment = await finishSegment();
  expect(segment > before).toBe(true);
  const { lastSegment, unbroken, pieces } = await tailOf(before);
  expect(unbroken).toBe(true);
  expect((lastSegment ?? '') >= segment).toBe(true);
  expect(pieces.filter(({ area }) => area === 'wal').map(({ path }) => path)).toContain(segment);
});

test('a segment that the target has is not waited for, nor taken again', async () => {
  const segment = await finishSegment();
  await archive(segment);
  for (const name of readdirSync(late)) rmSync(join(late, name));
  // The server may write by itself meanwhile; that comes out, the segment of before does not.
  const { unbroken, pieces } = await tailOf(segment, segment);
  expect(unbroken).toBe(true);
  expect(pieces.filter(({ area }) => area === 'wal').map(({ path }) => path)).not.toContain(
    segment,
  );
});
