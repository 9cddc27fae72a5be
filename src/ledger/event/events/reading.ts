// Events of reading: durable before the first byte is given out.
import { eventSpec, type EventSpec } from '../event-spec.ts';

export const readingEvents = {
  'read.granted': eventSpec(
    'B',
    'info',
    'archive',
    ['mbx', 'rec'],
    'Content of the named messages was opened for a reader.',
  ),
  'read.ended': eventSpec(
    'B',
    'info',
    'archive',
    ['mbx', 'rec'],
    'A read ended; the bytes given out are counted.',
  ),
  'metadata.read': eventSpec(
    'B',
    'info',
    'archive',
    ['mbx', 'rec'],
    'Envelopes, headers or structures were opened for a reader.',
  ),
  'search.run': eventSpec(
    'B',
    'info',
    'archive',
    ['mbx', 'acc', 'cus'],
    'A search ran over sealed data; its terms are in the side record.',
  ),
} as const satisfies Record<string, EventSpec>;
