// The advisory lock behind the governance version (architecture §2 and §5): committer batches and
// deleting transactions hold it shared, changes of holds, restrictions and policies exclusively.
import type { OrganisationId } from '../../kernel/ids.ts';
import { uuidToBytes } from '../../kernel/ids.ts';

/** First argument of pg_advisory_xact_lock(_shared)(int4, int4); "PSGV" in ASCII. */
const lockClass = 0x50534756;

/** The two int4 arguments of the lock of one organisation. */
export function governanceLockKey(organisation: OrganisationId): readonly [number, number] {
  const bytes = uuidToBytes(organisation);
  return [lockClass, new DataView(bytes.buffer).getInt32(0)];
}
