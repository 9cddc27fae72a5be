// The full verification of a home's ledger, for the command line and for the nightly job alike.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LedgerReport, ReportProgress } from '../cli/offline.ts';
import { IntegrityError } from '../kernel/errors.ts';
import { signerStatePath } from '../ledger/signer/signer-state.ts';
import { verifyLedger } from '../ledger/verify/verify-ledger.ts';
import type { Config } from '../platform/config/config.ts';
import type { Database } from '../platform/postgres/database.ts';

function readPublicKey(config: Config): Buffer {
  try {
    return readFileSync(join(config.home, 'ledger', 'public-key.der'));
  } catch (error) {
    const place = 'ledger/public-key.der';
    throw new IntegrityError('integrity.ledger', { place, what: 'missing' }, error);
  }
}

export async function verifyHomeLedger(
  config: Config,
  database: Database,
  options: { readonly running: boolean; readonly onProgress: ReportProgress },
): Promise<LedgerReport> {
  const report = await verifyLedger({
    database: database.pool,
    dir: join(config.home, 'ledger'),
    publicKey: readPublicKey(config),
    signerState: signerStatePath(config.home),
    ...(options.running ? {} : { settleMs: 0 }),
    onProgress: options.onProgress,
  });
  const findings = report.findings.map(({ place, what, detail }) => ({
    place,
    text: detail === undefined ? what : `${what} (${detail})`,
  }));
  const { origin, size, root } = report;
  return { origin, size, root, findings };
}
