// WAL archiving of the embedded PostgreSQL: finished segments are copied, synced, into a spool in the home, from
// where backups take them (src/operate/backup/). PostgreSQL keeps every segment until it is in the spool.
// Source: PostgreSQL 18 manual, "Continuous Archiving"; appendix F, basic_archive.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { clusterFiles } from './cluster.ts';

/** Where finished segments wait. */
export function walSpool(home: string): string {
  return join(clusterFiles(home).folder, 'archive');
}

/** Settings with which finished segments go to the spool. Makes the spool. */
export function archiveSettings(home: string): Readonly<Record<string, string>> {
  const spool = walSpool(home);
  mkdirSync(spool, { recursive: true, mode: 0o700 });
  return {
    archive_mode: 'on',
    // A module of the server, not a shell: it syncs, and a segment that is there already is compared.
    archive_library: 'basic_archive',
    'basic_archive.archive_directory': spool,
    // Whoever ships ends a segment first; by the clock, 16 MiB would be kept each time while the target is away.
    archive_timeout: '0',
  };
}
