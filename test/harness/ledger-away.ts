// Takes the inbox of the ledger out of reach, as a database in trouble would: what is to be recorded fails.
import type { Database } from '../../src/platform/postgres/database.ts';

async function rename(database: Database, from: string, to: string): Promise<void> {
  const client = await database.connect('ledger away');
  try {
    await client.query('SET ROLE postseal_audit_owner');
    await client.query(`ALTER TABLE public.${from} RENAME TO ${to}`);
  } finally {
    await client.end();
  }
}

/** Runs `work` without a ledger; it is back when this resolves. */
export async function withoutLedger<T>(database: Database, work: () => Promise<T>): Promise<T> {
  await rename(database, 'audit_inbox', 'audit_inbox_away');
  try {
    return await work();
  } finally {
    await rename(database, 'audit_inbox_away', 'audit_inbox');
  }
}
