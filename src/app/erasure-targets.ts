// Every erasure target of the product (src/archive/erasure-target.ts). A room with a new table that has a
// `record_id` adds its own here; test/house/erasure.test.ts fails until it has.
import type { ErasureTarget } from '../archive/erasure-target.ts';
import type { Archive } from '../archive/types.ts';
import { importErasure } from '../intake/import/import-erasure.store.ts';
import type { MailboxService } from '../mailbox/types.ts';

interface Rooms {
  readonly archive: Pick<Archive, 'erasure'>;
  readonly mailboxes: Pick<MailboxService, 'erasure'>;
}

/** All of them, the archive's own first. */
export function erasureTargets(rooms: Rooms): readonly ErasureTarget[] {
  return [rooms.archive.erasure, ...targetsBelowArchive(rooms)];
}

/** Those that the archive reaches in a shred besides its own. */
export function targetsBelowArchive({
  mailboxes,
}: Pick<Rooms, 'mailboxes'>): readonly ErasureTarget[] {
  return [mailboxes.erasure, importErasure];
}
