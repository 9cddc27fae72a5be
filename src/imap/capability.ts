// CAPABILITY is what the rows of the command table say in the present state (RFC 9051 §7.2.2), so that
// nothing is announced that no command does.
import type { Command } from './command.ts';
import type { Session } from './session.ts';

/** The names by spaces, in the order of the table and without doubles. */
export function capabilitiesOf(commands: readonly Command[], session: Session): string {
  const names = commands
    .flatMap((row) => row.capabilities)
    .filter((row) => row.when?.(session) ?? true)
    .map((row) => (typeof row.name === 'string' ? row.name : row.name(session)));
  return [...new Set(names)].join(' ');
}
