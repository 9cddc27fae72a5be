// Events of the server and of its configuration.
import { eventSpec, type EventSpec } from '../event-spec.ts';

export const serverEvents = {
  'server.started': eventSpec('A', 'notice', 'ledger', [], 'A process of the server started.'),
  'server.stopped': eventSpec('A', 'notice', 'ledger', [], 'A process of the server stopped.'),
  'backup.started': eventSpec(
    'C',
    'notice',
    'ledger',
    [],
    'A full or incremental backup began; tails between them have no event.',
  ),
  'backup.ended': eventSpec(
    'A',
    'notice',
    'ledger',
    [],
    'A backup was made or failed; its set, files and octets are given.',
  ),
  'backup.drilled': eventSpec(
    'A',
    'notice',
    'ledger',
    [],
    'The backup was restored into a scratch home and compared; records, differences and times are given.',
  ),
  'backup.restored': eventSpec(
    'A',
    'warning',
    'ledger',
    ['org'],
    'The home was made of a backup; until when it reaches and what was found are given.',
  ),
  'restore.signed': eventSpec(
    'D',
    'warning',
    'ledger',
    ['org', 'apr'],
    'Two people signed the restore report, and the archive takes changes again.',
  ),
  'config.changed': eventSpec(
    'D',
    'warning',
    'ledger',
    ['org'],
    'The server started with another configuration; digests of before and after are given.',
  ),
} as const satisfies Record<string, EventSpec>;
