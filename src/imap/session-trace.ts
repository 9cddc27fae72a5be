// The last sessions and their last commands, for the person who is asked why a client does not work:
// names, states, times and octets, never an argument. Kept in memory only, in a ring.
import type { UnixMs } from '../kernel/time.ts';

export interface TracedCommand {
  readonly name: string;
  readonly state: string;
  readonly status: string;
  readonly at: UnixMs;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface TracedSession {
  readonly id: string;
  readonly address: string;
  readonly listener: string;
  readonly openedAt: UnixMs;
  closedAt: UnixMs | undefined;
  /** Account id once signed in; never a name. */
  account: string | undefined;
  /** What the ledger calls the session, once signed in; `id` is the connection's own. */
  ledgerSession: string | undefined;
  /** Of ID, cut to a line: clients behave by version. */
  client: string | undefined;
  state: string;
  readonly commands: TracedCommand[];
  commandCount: number;
}

export interface SessionTrace {
  open(session: Pick<TracedSession, 'id' | 'address' | 'listener' | 'openedAt'>): TracedSession;
  command(session: TracedSession, command: TracedCommand): void;
  /** Newest first. */
  recent(): readonly TracedSession[];
}

export function createSessionTrace(
  limits: { readonly sessions: number; readonly commands: number } = {
    sessions: 500,
    commands: 100,
  },
): SessionTrace {
  const ring: TracedSession[] = [];
  return {
    open(session) {
      const traced: TracedSession = {
        ...session,
        closedAt: undefined,
        account: undefined,
        ledgerSession: undefined,
        client: undefined,
        state: 'not-authenticated',
        commands: [],
        commandCount: 0,
      };
      ring.push(traced);
      if (ring.length > limits.sessions) {
        // Open sessions stay as long as there are closed ones to forget.
        const closed = ring.findIndex((s) => s.closedAt !== undefined);
        ring.splice(Math.max(0, closed), 1);
      }
      return traced;
    },
    command(session, command) {
      session.commandCount += 1;
      session.commands.push(command);
      if (session.commands.length > limits.commands) session.commands.shift();
    },
    recent: () => ring.toReversed(),
  };
}
