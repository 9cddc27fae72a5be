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
const close = statement<{ segment: string; begun: boolean; bytes: string }>(
  'backup.close-segment',
  `SELECT pg_walfile_name(l) AS segment, mod(l - '0/0'::pg_lsn, s.bytes) > 0 AS begun, s.bytes
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
  /** The one that was closed; undefined where nothing was in it. */
  readonly segment: string | undefined;
  readonly segmentBytes: number;
}

/** Closes the segment that is written now, so that it can be archived. */
export async function closeSegment(client: Queryable): Promise<ClosedSegment> {
  const row = await close.first(client);
  const segment = row?.begun === true ? row.segment : undefined;
  return { segment, segmentBytes: Number(row?.bytes) };
}
