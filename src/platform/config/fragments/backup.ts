// Where backups go and how far behind they may be (docs/formats/backup.md).
import { objectOf, text, whole } from '../fragment.ts';
import type { ConfigFragment } from '../fragment.ts';

export const backupFragment: ConfigFragment = {
  key: 'backup',
  schema: objectOf('Backups, sealed to a key of the token.', {
    directory: text(
      'Folder that backups are written to, on another disk or machine and not in the home; absent: no backups.',
    ),
    shipSeconds: whole(
      'Seconds after which what is new is in the backup: packs, ledger, and the WAL of the embedded database.',
      1,
      60,
    ),
    keyStateSeconds: whole(
      'Seconds after which changed keys are in the backup of the key state.',
      1,
      3600,
    ),
  }),
  defaults: { shipSeconds: 30, keyStateSeconds: 300 },
};
