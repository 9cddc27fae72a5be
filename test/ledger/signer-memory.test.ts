// A database and a ledger folder that were put back together are consistent in themselves; only the memory
// of the signer outside both tells that the ledger was longer, or was another.
import { cpSync, rmSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { hasSuperuser, noSuperuser } from '../harness/given-server.ts';
import { testIf } from '../harness/needs.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';
import { type LedgerFixture, newHome, openLedgerFixture, someDraft } from './ledger-fixture.ts';

let db: TestDatabase;
let ledger: LedgerFixture;
const home = newHome();
beforeAll(async () => {
  db = await startTestDatabase();
  ledger = await openLedgerFixture(db.database, home);
}, 60_000);
afterAll(async () => {
  await db.drop();
  rmSync(home, { recursive: true, force: true });
});

/** Takes in `count` events and publishes; answers the size. */
async function grow(count: number): Promise<number> {
  const sequencer = ledger.sequencer({ anchorMs: Infinity });
  sequencer.start();
  await ledger.record(Array.from({ length: count }, (_, i) => someDraft(i)));
  await sequencer.publish();
  await sequencer.stop();
  return (await ledger.signer.head()).size;
}

async function asSuperuser(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: db.superuserUrl });
  await client.connect();
  await client.query(sql);
  await client.end();
}

const findings = async (): Promise<string[]> =>
  (await ledger.verify()).findings.map(
    ({ place, what, detail }) => `${place}: ${what}${detail === undefined ? '' : ` (${detail})`}`,
  );

test('nothing signed and nothing remembered is clean', async () => {
  expect(await findings()).toEqual([]);
});

testIf(
  hasSuperuser,
  noSuperuser,
  'a ledger that was put back whole is shorter than what was signed, and both sizes are named',
  async () => {
    const early = await grow(40);
    const [remembered, copy] = [await readFile(ledger.stateFile), join(home, 'copy')];
    cpSync(ledger.dir, copy, { recursive: true });
    await asSuperuser(
      'CREATE TABLE old_log AS SELECT * FROM audit_log; CREATE TABLE old_head AS SELECT * FROM audit_head',
    );
    const late = await grow(30);
    expect(await findings()).toEqual([]);
    await asSuperuser(
      `ALTER TABLE audit_log DISABLE TRIGGER ALL; ALTER TABLE audit_log_000000 DISABLE TRIGGER ALL;
     DELETE FROM audit_log WHERE seq >= ${String(early)};
     UPDATE audit_head h SET size = o.size, chain = o.chain FROM old_head o`,
    );
    rmSync(ledger.dir, { recursive: true });
    cpSync(copy, ledger.dir, { recursive: true });
    expect(await findings()).toEqual([
      `signer/state: rollback (signed ${String(late)} leaves, the ledger has ${String(early)})`,
    ]);
    // Only the memory knew: put back too, nothing is found.
    const late1 = await readFile(ledger.stateFile);
    await writeFile(ledger.stateFile, remembered);
    expect(await findings()).toEqual([]);
    await writeFile(ledger.stateFile, late1);
  },
);

testIf(
  hasSuperuser,
  noSuperuser,
  'another root, another log, a changed byte and no memory at all are named',
  async () => {
    const { size, root } = await ledger.signer.head();
    const { origin, size: found } = await ledger.verify();
    const write = (state: object): Promise<void> =>
      writeFile(ledger.stateFile, `${JSON.stringify(state)}\n`);
    await write({ origin, size: found, root: root.toString('base64') });
    expect(found).toBeLessThan(size);
    expect(await findings()).toEqual([`signer/state: root (size ${String(found)})`]);
    await write({ origin: 'example.com/log/other', size: 0, root: root.toString('base64') });
    expect(await findings()).toContain('signer/state: origin (signed 0 of another)');
    await writeFile(ledger.stateFile, '{"origin":');
    expect(await findings()).toEqual(['signer/state: encoding']);
    await rm(ledger.stateFile);
    expect(await findings()).toEqual([`signer/state: missing (signed ${String(found)})`]);
  },
);
