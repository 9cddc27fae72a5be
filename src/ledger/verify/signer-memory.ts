// What the signer remembers (docs/formats/checkpoint.md "Signer"), as one more checkpoint to hold against
// the ledger: it lies outside PostgreSQL and outside the ledger's folder, where a restore of both does not
// reach.
import { IntegrityError } from '../../kernel/errors.ts';
import { readOwnState } from '../signer/signer-state.ts';
import type { NamedCheckpoint } from './checkpoint-history.ts';
import type { Findings } from './finding.ts';

const place = 'signer/state';

/**
 * Undefined where nothing was signed yet; what cannot be read is a finding. Read it after the published
 * checkpoint, which is never ahead of it, and before the rows, which are never behind it.
 */
export async function readSignerMemory(
  path: string,
  log: { readonly origin: string; readonly published: number | undefined },
  findings: Findings,
): Promise<NamedCheckpoint | undefined> {
  try {
    const state = await readOwnState(path);
    if (state === undefined) {
      // The signer remembers before anything is published.
      if (log.published !== undefined) findings.add(place, 'missing', `signed ${log.published}`);
      return undefined;
    }
    if (state.origin !== log.origin)
      findings.add(place, 'origin', `signed ${state.size} of another`);
    return { place, ...state };
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error;
    findings.add(place, String(error.fields['what'] ?? 'encoding'));
    return undefined;
  }
}

/** The rows are fewer than the signer has signed. */
export function checkRollback(
  memory: NamedCheckpoint | undefined,
  size: number,
  findings: Findings,
): void {
  if (memory === undefined || memory.size <= size) return;
  findings.add(place, 'rollback', `signed ${memory.size} leaves, the ledger has ${size}`);
}
