// The work behind the commands that need no running server: each opens the home's files and database, and
// none opens content. Beside a running server it uses the server's database.
import type { LedgerReport, ReportProgress, ScrubReport } from '../cli/offline.ts';
import type { Config } from '../platform/config/config.ts';
import { scrubHome } from './scrub.ts';
import { verifyHomeLedger } from './verify-ledger.ts';
import { withDatabase } from './with-database.ts';

/** Brings the schema to this version. */
export function migrateHome(config: Config): Promise<{ readonly applied: readonly string[] }> {
  return withDatabase(config, (_database, { applied }) => Promise.resolve({ applied }));
}

export function verifyLedgerOf(config: Config, onProgress: ReportProgress): Promise<LedgerReport> {
  return withDatabase(config, (database, { running }) =>
    verifyHomeLedger(config, database, { running, onProgress }),
  );
}

export function scrubOf(config: Config, onProgress: ReportProgress): Promise<ScrubReport> {
  return scrubHome(config, withDatabase, onProgress);
}
