// Whether the server's login could delete ledger rows without so much as taking a role for it: always below
// PostgreSQL 16, where a membership cannot be one that must be asked for (migrations/0001-ledger-roles.ts),
// and for a superuser.
import type { DoctorCheck } from './doctor-check.ts';

export const ledgerRightsCheck: DoctorCheck = {
  name: 'ledger rights',
  async look({ database }) {
    if (database === undefined) {
      return { verdict: 'good', text: 'not looked at: no database runs' };
    }
    const { rows } = await database.pool.query<{ holds: boolean | null; version: string }>(
      `SELECT bool_or(pg_catalog.pg_has_role(current_user, r.oid, 'USAGE')) AS holds,
              current_setting('server_version') AS version
         FROM pg_catalog.pg_roles r
        WHERE r.rolname IN ('postseal_audit_owner', 'postseal_sequencer')`,
    );
    const [row] = rows;
    if (row?.holds !== true) {
      return { verdict: 'good', text: "the server's login must take a role to touch ledger rows" };
    }
    return {
      verdict: 'warning',
      text: `the server's login can delete ledger rows (PostgreSQL ${row.version.split(' ')[0] ?? '?'}); postseal ledger verify would tell`,
      hint: 'use PostgreSQL 16 or later, or the embedded one, and a login that is no superuser',
    };
  },
};
