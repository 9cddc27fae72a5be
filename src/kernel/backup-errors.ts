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
    'The folder of backups cannot be used.',
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
  'restore.not-empty': spec(
    'The home that is to be restored holds something already.',
    'name a new folder with --home, with the keys folder of the lost home in it and nothing else',
    false,
    1,
  ),
  'restore.no-backup': spec(
    'There is no backup that can be restored.',
    'see postseal backup list; the instant of --to must not be before the first one reaches',
    false,
    1,
  ),
  'restore.not-reached': spec(
    'The backup does not reach that far.',
    'name an instant before the one it reaches, or leave out --to',
    false,
    1,
  ),
  'restore.unfinished': spec(
    'This home was being restored and is not whole.',
    'run the same postseal restore again; it begins anew',
    false,
    1,
  ),
  'restore.unsigned': spec(
    'This archive was made of a backup and changes nothing until two people have signed.',
    'see postseal restore report, then two persons run postseal restore sign',
    true,
    1,
  ),
  'restore.none': spec(
    'This archive was never made of a backup.',
    'nothing is to be signed',
    false,
    1,
  ),
  'restore.signed': spec(
    'The restore report is signed already.',
    'nothing is to be done',
    false,
    1,
  ),
  'backup.key-state': spec(
    'The key state is not in the backup, so the key generation stays.',
    'see log/postseal.log; the folder of backups must be there and hold a full backup, then run it again',
    true,
    1,
  ),
} as const satisfies Record<string, ErrorSpec>;
