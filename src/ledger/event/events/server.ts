// Events of the server and of its configuration.
import { eventSpec, type EventSpec } from '../event-spec.ts';

export const serverEvents = {
  'server.started': eventSpec('A', 'notice', 'ledger', [], 'A process of the server started.'),
  'server.stopped': eventSpec('A', 'notice', 'ledger', [], 'A process of the server stopped.'),
  'config.changed': eventSpec(
    'D',
    'warning',
    'ledger',
    ['org'],
    'The server started with another configuration; digests of before and after are given.',
  ),
} as const satisfies Record<string, EventSpec>;
