// Errors of backups and of restoring one; rows of the registry in errors.ts.
import { type ErrorSpec, errorSpec as spec } from './error-spec.ts';

export const backupErrors = {
  'backup.no-target': spec(
    'This home has no place for backups.',
    'set backup.directory to a folder on another disk or machine, and start again',
    false,
    78,
  ),
  'backup.busy': spec('A backup runs already.', 'wait for its end', true, 1),
  'backup.target-failed': spec(
    'The folder of backups cannot be written.',
    'check that it is mounted, has space, and belongs to the user of the server; a new disk in its place needs an empty folder sets',
    true,
    1,
  ),
  'backup.archive-stalled': spec(
    'PostgreSQL does not hand out its WAL.',
    'see log/postgres.log in the home and the space on its disk; nothing is lost, but the backup is behind',
    true,
    1,
  ),
  'backup.archive-gap': spec(
    'WAL is missing between two parts of a backup.',
    'run postseal backup run --full',
    true,
    1,
  ),
} as const satisfies Record<string, ErrorSpec>;
