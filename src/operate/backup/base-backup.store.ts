// PostgreSQL's low-level base backup and the closing of WAL segments, as the superuser of the embedded server.
// Source: PostgreSQL 18 manual, "Making a Base Backup Using the Low Level API".
import type pg from 'pg';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';

const start = statement<{ segment: string }>(
  'backup.start',
  `SELECT pg_walfile_name(l) AS segment FROM pg_backup_start($1, fast => true) AS l`,
);
const stop = statement<{ labelfile: string; spcmapfile: string }>(
  'backup.stop',
  // The caller waits for the archive by itself, with an end.
  `SELECT labelfile, spcmapfile FROM pg_backup_stop(wait_for_archive => false)`,
);
const mark = statement(
  'backup.mark',
  // Recovery to an instant must meet a commit from after it, also where nobody did anything since.
  'SELECT pg_current_xact_id()',
);
const close = statement<{ segment: string; bytes: string }>(
  'backup.close-segment',
  // Where nothing was written since the last switch it answers the start of the next segment, and the byte before
  // that is in the last finished one, which the archiver may still have before it.
  `SELECT pg_walfile_name(l - 1) AS segment, s.bytes
     FROM pg_switch_wal() AS l,
          (SELECT pg_size_bytes(current_setting('wal_segment_size'))) AS s (bytes)`,
);

/** Begins on a connection that must live until the stop; answers the first segment that recovery needs. */
export async function startBaseBackup(client: pg.ClientBase, label: string): Promise<string> {
  return (await start.first(client, [label]))?.segment ?? '';
}

/** Ends it; answers the text of `backup_label`. */
export async function stopBaseBackup(client: pg.ClientBase): Promise<string> {
  return (await stop.first(client))?.labelfile ?? '';
}

export interface ClosedSegment {
  /** The last finished one, closed now or before: with it every commit before the call is archived. */
  readonly segment: string;
  readonly segmentBytes: number;
}

/** Closes the segment that is written now, so that it can be archived. */
export async function closeSegment(client: Queryable): Promise<ClosedSegment> {
  await mark.first(client);
  const row = await close.first(client);
  return { segment: row?.segment ?? '', segmentBytes: Number(row?.bytes) };
}
