// Events of mail on its way in and of messages in mailboxes.
import { eventSpec, type EventSpec } from '../event-spec.ts';

export const mailEvents = {
  'mail.received': eventSpec(
    'A',
    'info',
    'archive',
    ['rec', 'mbx', 'acc', 'cus'],
    'A message was delivered and archived.',
  ),
  'mail.appended': eventSpec(
    'A',
    'info',
    'archive',
    ['rec', 'mbx', 'acc', 'cus'],
    'A client appended a message; it was archived.',
  ),
  'mail.imported': eventSpec(
    'A',
    'info',
    'archive',
    ['rec', 'mbx', 'acc', 'cus'],
    'A message was imported and archived.',
  ),
  'mail.rejected': eventSpec(
    'B',
    'notice',
    'security',
    ['acc'],
    'Mail was refused or could not be archived, with the reason; `times` counts those like it since the event before.',
  ),
  'message.flags-changed': eventSpec(
    'A',
    'info',
    'archive',
    ['mbx', 'msg'],
    'Flags or keywords of messages changed.',
  ),
  'message.copied': eventSpec(
    'A',
    'info',
    'archive',
    ['mbx', 'msg'],
    'Messages were copied into another mailbox.',
  ),
  'message.moved': eventSpec(
    'A',
    'info',
    'archive',
    ['mbx', 'msg'],
    'Messages were moved into another mailbox.',
  ),
  'message.expunged': eventSpec(
    'A',
    'notice',
    'archive',
    ['mbx', 'msg', 'rec', 'cus'],
    'Messages left the view of a mailbox; their records stay.',
  ),
} as const satisfies Record<string, EventSpec>;
