// What a new cluster needs before anyone works in it: the role and the database `postseal`.
import pg from 'pg';
import { mapPostgresError } from './postgres-errors.ts';

/** A connection URL over a Unix socket; the password is part of it, so it is never logged. */
export function socketUrl(
  socketFolder: string,
  user: string,
  password: string,
  database: string,
): string {
  const who = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
  return `postgresql://${who}@localhost/${encodeURIComponent(database)}?host=${encodeURIComponent(socketFolder)}`;
}

/**
 * Creates what is missing and sets the role's password anew, so that a restored cluster works with
 * this home's credentials. The role is no superuser; it may create roles and databases.
 */
export async function createApplicationDatabase(
  superuserUrl: string,
  password: string,
): Promise<void> {
  const client = new pg.Client({ connectionString: superuserUrl });
  try {
    await client.connect();
    const role = await client.query("SELECT 1 FROM pg_roles WHERE rolname = 'postseal'");
    if (role.rowCount === 0) {
      await client.query('CREATE ROLE postseal LOGIN CREATEDB CREATEROLE REPLICATION');
    }
    // A utility statement takes no parameters; the password is base64url by construction.
    await client.query(`ALTER ROLE postseal PASSWORD ${client.escapeLiteral(password)}`);
    const database = await client.query("SELECT 1 FROM pg_database WHERE datname = 'postseal'");
    if (database.rowCount === 0) {
      await client.query('CREATE DATABASE postseal OWNER postseal TEMPLATE template0');
    }
  } catch (error) {
    throw mapPostgresError(error);
  } finally {
    await client.end();
  }
}
