// The newest key state for a restored database, before anything else uses its keys (docs/formats/key-state.md).
// The token is asked by a child process; only what the files hold is put in, and no key is opened.
import { join } from 'node:path';
import { applyKeyState } from '../archive/key-state/apply.ts';
import type { OrganisationId } from '../kernel/ids.ts';
import type { EventSealer } from '../ledger/event/event-sealer.ts';
import type { WrappedUnder } from '../operate/backup/key-messages.ts';
import { openBackupKeys } from '../operate/backup/key-process.ts';
import { newestKeyState } from '../operate/backup/newest-key-state.ts';
import type { SetDamage } from '../operate/backup/read-sets.ts';
import type { Settled } from '../operate/backup/restore-home.ts';
import { listKeyFiles } from '../operate/backup/target.ts';
import type { Config } from '../platform/config/config.ts';
import type { Database } from '../platform/postgres/database.ts';
import { keyStoreChoice } from './key-child.ts';

export interface RestoredKeysOptions {
  readonly config: Config;
  readonly target: string;
  readonly database: Database;
  readonly organisation: OrganisationId;
  readonly sealer: EventSealer;
}

/**
 * Tells the key state that was put in; without one where the target has none that opens, which is a
 * finding if it has any. @throws PostsealError `key.unavailable`, `key.pin`.
 */
export async function putNewestKeys(
  options: RestoredKeysOptions,
): Promise<Pick<Settled, 'keyState' | 'findings'>> {
  const { config, target, database, organisation, sealer } = options;
  const findings: SetDamage[] = [];
  if ((await listKeyFiles(target)).length === 0) return { findings };
  const keys = await openBackupKeys({
    ...{ organisation, folder: join(config.home, 'keys'), first: false, role: 'keys' },
    store: keyStoreChoice(config),
  });
  try {
    const open = (head: WrappedUnder): Promise<Uint8Array> => keys.openState(head);
    const newest = await newestKeyState(target, open, (damage) => findings.push(damage));
    if (newest === undefined) return { findings };
    const { file, takenAt, sources } = newest;
    const { erased } = await applyKeyState({ database, organisation, sealer }, sources);
    const keyState = { file, takenAt: takenAt.toISOString(), erased: erased.length };
    return { findings, keyState };
  } finally {
    await keys.close();
  }
}
