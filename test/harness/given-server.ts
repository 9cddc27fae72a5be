// What the run's PostgreSQL can do, known before a test is named. DATABASE_URL gives an outside one, whose
// login is no superuser and which may be older than the embedded one; what it cannot do is skipped by name.
import pg from 'pg';

const given = process.env['DATABASE_URL'];

/** Tests that tamper with the ledger do it as nobody but a superuser could. */
export const hasSuperuser = given === undefined;
export const noSuperuser = 'DATABASE_URL gives no superuser';

/** Before PostgreSQL 16 the login always has every right of a role that it is a member of (README, limits). */
export const rolesAreTaken = given === undefined || (await majorVersion(given)) >= 16;
export const rolesAlwaysApply = 'PostgreSQL below 16: the rights of a role need not be asked for';

async function majorVersion(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ server_version_num: string }>('SHOW server_version_num');
    return Math.floor(Number(rows[0]?.server_version_num) / 10_000);
  } finally {
    await client.end();
  }
}
