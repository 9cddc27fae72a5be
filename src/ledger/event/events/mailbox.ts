// Events of folders.
import { eventSpec, type EventSpec } from '../event-spec.ts';

export const mailboxEvents = {
  'mailbox.created': eventSpec('A', 'info', 'archive', ['mbx', 'acc'], 'A mailbox was created.'),
  'mailbox.renamed': eventSpec(
    'A',
    'info',
    'archive',
    ['mbx', 'acc'],
    'A mailbox got another name.',
  ),
  'mailbox.deleted': eventSpec(
    'A',
    'notice',
    'archive',
    ['mbx', 'acc'],
    'A mailbox left the view; its records stay.',
  ),
  'mailbox.subscribed': eventSpec(
    'A',
    'info',
    'archive',
    ['mbx', 'acc'],
    'A subscription changed.',
  ),
  'mailbox.keyword-added': eventSpec(
    'A',
    'info',
    'archive',
    ['mbx'],
    'A keyword was used in a mailbox for the first time.',
  ),
  'mailbox.selected': eventSpec('B', 'info', 'archive', ['mbx'], 'A session opened a mailbox.'),
} as const satisfies Record<string, EventSpec>;
