// Events of the archive and of its keys.
import { eventSpec, type EventSpec } from '../event-spec.ts';

export const archiveEvents = {
  'organisation.created': eventSpec(
    'A',
    'notice',
    'ledger',
    ['org'],
    'The organisation was created.',
  ),
  'custodian.created': eventSpec('A', 'notice', 'archive', ['cus'], 'A custodian was created.'),
  'record.shredded': eventSpec(
    'D',
    'critical',
    'archive',
    ['rec', 'cus', 'mbx'],
    'The wraps of a record were destroyed.',
  ),
  'metadata.folded': eventSpec(
    'A',
    'info',
    'archive',
    ['cus'],
    'Sealed metadata of a custodian was moved from cells into a page.',
  ),
  'pack.compacted': eventSpec(
    'A',
    'info',
    'archive',
    ['cus'],
    'Sealed bodies were moved out of a pack that is mostly dead, byte for byte.',
  ),
  'pack.removed': eventSpec(
    'C',
    'notice',
    'archive',
    [],
    'A pack without a living body is deleted: begun, and done.',
  ),
  'key.created': eventSpec('A', 'notice', 'security', ['key', 'cus', 'org'], 'A key was created.'),
  'key.opened': eventSpec(
    'B',
    'info',
    'security',
    ['key', 'cus', 'ses'],
    'A batch of keys was handed out.',
  ),
  'key.refused': eventSpec(
    'B',
    'warning',
    'security',
    ['key', 'cus', 'ses'],
    'The key service refused to open keys.',
  ),
  'import.started': eventSpec('A', 'notice', 'archive', ['acc', 'cus'], 'An import started.'),
  'import.ended': eventSpec(
    'A',
    'notice',
    'archive',
    ['acc', 'cus'],
    'An import ended; its items are counted.',
  ),
  'scrub.run': eventSpec(
    'B',
    'notice',
    'ledger',
    [],
    'Stored bytes were checked against their hashes.',
  ),
} as const satisfies Record<string, EventSpec>;
