// Events of sign-in and of refusals.
import { eventSpec, type EventSpec } from '../event-spec.ts';

export const sessionEvents = {
  'session.signed-in': eventSpec(
    'B',
    'info',
    'security',
    ['ses', 'acc', 'per'],
    'Somebody signed in.',
  ),
  'session.sign-in-failed': eventSpec(
    'B',
    'warning',
    'security',
    ['acc', 'per'],
    'A sign-in failed; an unknown name and the address are keyed hashes of the day, the address is also sealed for a known subject.',
  ),
  'session.ended': eventSpec('B', 'info', 'security', ['ses'], 'A session ended.'),
  'session.kicked': eventSpec(
    'B',
    'notice',
    'security',
    ['ses', 'acc'],
    'An administrator ended the session of an account: named by its connection and, once signed in, as in its other events.',
  ),
  'access.denied': eventSpec(
    'B',
    'warning',
    'security',
    ['acc', 'per', 'mbx', 'ses'],
    'An attempt was refused, with the reason; `times` counts those like it since the event before.',
  ),
  'access.locked': eventSpec(
    'A',
    'warning',
    'security',
    ['acc', 'per'],
    'A name was locked after failed sign-ins.',
  ),
  'access.unlocked': eventSpec(
    'A',
    'notice',
    'security',
    ['acc', 'per'],
    'A locked name was opened again.',
  ),
} as const satisfies Record<string, EventSpec>;
