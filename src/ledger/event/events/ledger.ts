// Events of the ledger about itself.
import { eventSpec, type EventSpec } from '../event-spec.ts';

export const ledgerEvents = {
  'log.origin': eventSpec(
    'D',
    'notice',
    'ledger',
    ['log'],
    'The ledger began; this is its first leaf.',
  ),
  'log.heartbeat': eventSpec('A', 'info', 'ledger', ['log'], 'Nothing else happened for a minute.'),
  'log.anchor': eventSpec(
    'A',
    'info',
    'ledger',
    ['log'],
    'Chain head, signing key and state of the database guards were written down.',
  ),
  'audit.void': eventSpec(
    'A',
    'notice',
    'ledger',
    ['log'],
    'Numbers of a process were given to events that did not commit.',
  ),
  'ledger.queried': eventSpec('B', 'notice', 'ledger', ['log'], 'Somebody read the ledger.'),
  'ledger.verified': eventSpec(
    'B',
    'notice',
    'ledger',
    ['log'],
    'The ledger was verified; verdict and size are given.',
  ),
} as const satisfies Record<string, EventSpec>;
