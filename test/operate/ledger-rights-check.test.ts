// What doctor says of the rights that the server's login has over the ledger, on a real database.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DoctorAnswer } from '../../src/operate/doctor/doctor-check.ts';
import { ledgerRightsCheck } from '../../src/operate/doctor/ledger-rights-check.ts';
import { loadConfig } from '../../src/platform/config/load-config.ts';
import { type Database, openDatabase } from '../../src/platform/postgres/database.ts';
import { rolesAlwaysApply, rolesAreTaken } from '../harness/given-server.ts';
import { testIf } from '../harness/needs.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await startTestDatabase();
}, 60_000);
afterAll(() => db.drop());

async function look(database: Database | undefined): Promise<DoctorAnswer> {
  return ledgerRightsCheck.look({
    config: loadConfig(undefined, {}),
    database,
    databaseProblem: undefined,
    running: database !== undefined,
    keys: undefined,
    keyProblem: undefined,
    now: Date.now(),
  });
}

describe('rights over the ledger', () => {
  testIf(rolesAreTaken, rolesAlwaysApply, 'that must be taken are good', async () => {
    expect(await look(db.database)).toMatchObject({ verdict: 'good' });
  });

  // What a login below PostgreSQL 16 is from its first statement on.
  test.each(['postseal_audit_owner', 'postseal_sequencer'])(
    'of %s that are there without asking are told',
    async (role) => {
      const url = new URL(db.url);
      url.searchParams.set('options', `-c role=${role}`);
      const holder = await openDatabase({ url: url.href, poolMax: 1 });
      try {
        const answer = await look(holder);
        expect(answer).toMatchObject({ verdict: 'warning', hint: expect.stringContaining('16') });
        expect(answer.text).toContain('can delete ledger rows');
      } finally {
        await holder.close();
      }
    },
  );

  test('without a database there is nothing to look at', async () => {
    expect(await look(undefined)).toMatchObject({ verdict: 'good' });
  });
});
