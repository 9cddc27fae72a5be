// Routes of IMAP sessions: who is connected, what a session's commands were (names, states and times, never an
// argument), and how an administrator ends one.
import { personActor, type PersonSession } from '../access/person-actor.ts';
import { objectSchema, noInput, type Route, route, uuidSchema } from '../access/routes/route.ts';
import type { Committer } from '../archive/committer/types.ts';
import { PostsealError } from '../kernel/errors.ts';
import type { Pseudonyms } from '../ledger/event/actor-keys.store.ts';
import type { TracedSession } from './session-trace.ts';

/** The sessions of all processes of the node. */
export interface LiveSessions {
  /** Open ones and those that ended lately. */
  list(): Promise<readonly TracedSession[]>;
  /** False if there is none. */
  kick(session: string): Promise<boolean>;
}

export interface SessionRoutesDeps {
  readonly sessions: LiveSessions;
  readonly committer: Pick<Committer, 'record'>;
  readonly pseudonyms: Pick<Pseudonyms, 'of'>;
}

const access = ['system-admin', 'security-admin'] as const;
const named = objectSchema({ id: uuidSchema });
/** Milliseconds as people read them. */
const tenths = (milliseconds: number): number => Math.round(milliseconds * 10) / 10;

function summary(session: TracedSession): object {
  const { id, address, listener, account, ledgerSession, client, state } = session;
  const { openedAt, closedAt } = session;
  return {
    id,
    state: closedAt === undefined ? state : 'closed',
    listener,
    address,
    account: account ?? null,
    ledgerSession: ledgerSession ?? null,
    client: client ?? null,
    openedAt: new Date(openedAt).toISOString(),
    closedAt: closedAt === undefined ? null : new Date(closedAt).toISOString(),
    commands: session.commandCount,
  };
}

async function need(deps: SessionRoutesDeps, id: string): Promise<TracedSession> {
  const found = (await deps.sessions.list()).find((session) => session.id === id);
  if (found === undefined) throw new PostsealError('session.unknown');
  return found;
}

async function kick(deps: SessionRoutesDeps, id: string, by: PersonSession | undefined) {
  if (by === undefined) throw new PostsealError('access.signed-out');
  const { closedAt, account, ledgerSession } = await need(deps, id);
  if (closedAt !== undefined) throw new PostsealError('session.unknown');
  await deps.committer.record({
    op: 'session.kicked',
    outcome: 'success',
    actor: personActor(deps.pseudonyms, by, access),
    objects: [
      { t: 'ses', id },
      ...(ledgerSession === undefined ? [] : [{ t: 'ses', id: ledgerSession } as const]),
      ...(account === undefined ? [] : [{ t: 'acc', id: account } as const]),
    ],
  });
  if (!(await deps.sessions.kick(id))) throw new PostsealError('session.unknown');
  return { id, ended: true };
}

export function sessionRoutes(deps: SessionRoutesDeps): readonly Route[] {
  return [
    route({
      name: 'session.list',
      method: 'GET',
      path: '/imap-sessions',
      summary: 'List IMAP sessions, open ones and those that ended lately',
      access,
      input: noInput,
      async run() {
        const sessions = [...(await deps.sessions.list())];
        return sessions.sort((a, b) => b.openedAt - a.openedAt).map(summary);
      },
    }),
    route<{ id: string }>({
      name: 'session.show',
      method: 'GET',
      path: '/imap-sessions/:id',
      summary: 'Show the last commands of an IMAP session: names, states and times, no argument',
      access,
      input: named,
      async run({ input }) {
        const session = await need(deps, input.id);
        const commands = session.commands.map(({ at, durationMs, ...command }) => ({
          at: new Date(at).toISOString(),
          ...command,
          durationMs: tenths(durationMs),
        }));
        return { ...summary(session), commands };
      },
    }),
    route<{ id: string }>({
      name: 'session.kick',
      method: 'DELETE',
      path: '/imap-sessions/:id',
      summary: 'End an IMAP session',
      access,
      input: named,
      run: ({ input, by }) => kick(deps, input.id, by),
    }),
  ];
}
