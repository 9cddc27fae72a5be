// From a framed command to its tagged answer (RFC 9051 §2.2): tag, row, arguments to their end, state,
// run, news, answer. Errors become answers here and nowhere else.
import { performance } from 'node:perf_hooks';
import type { Command, CommandCall, Completion } from './command.ts';
import { commandOf } from './commands/index.ts';
import { answerOf } from './error-answers.ts';
import { ConnectionClosed } from './output.ts';
import type { Session } from './session.ts';
import { Decoder } from './wire/decoder.ts';
import { GrammarError } from './wire/grammar-error.ts';
import { ImapError } from './wire/imap-error.ts';
import type { RawCommand } from './wire/raw-command.ts';

/** Tag and row of a command, with the decoder behind the name. */
export interface CommandHead {
  readonly call: CommandCall;
  readonly row: Command;
  readonly dec: Decoder;
}

/** Longer ones are no tags of any client, and are not echoed. */
const tagBytesMax = 128;

/** The tag, as far as there is one: errors are answered to it. */
export function tagOf(raw: RawCommand): string | null {
  const tag = new Decoder(raw).tag();
  return tag !== null && tag.length <= tagBytesMax ? tag : null;
}

/** Reads tag and name. Throws `ImapError` BAD for a name that no row has. */
export function readHead(session: Session, raw: RawCommand): CommandHead {
  const dec = new Decoder(raw, { utf8: session.utf8 });
  const tag = dec.expectTag();
  dec.expectSp();
  let name = dec.expectKeyword('expected a command');
  const uid = name === 'UID';
  if (uid) {
    dec.expectSp();
    name = dec.expectKeyword('expected a command');
  }
  const row = commandOf(name, uid);
  if (row === undefined) throw new ImapError('BAD', 'CLIENTBUG', 'Unknown command');
  return { call: { tag, uid }, row, dec };
}

/** @throws ImapError BAD when the row may not stand in the present state. */
export function checkState(session: Session, row: Command): void {
  if (row.states.includes(session.state)) return;
  const text =
    session.state === 'not-authenticated' ? 'Sign in first' : 'Not allowed in this state';
  throw new ImapError('BAD', 'CLIENTBUG', text);
}

/** Counts what a client does outside the grammar, since its last command that went well. */
export interface Conduct {
  clientBugs: number;
}

/** Runs one framed command and sends its answer. @throws ConnectionClosed */
export async function runCommand(
  session: Session,
  raw: RawCommand,
  conduct: Conduct,
): Promise<void> {
  const watch = startWatch(session);
  const tag = tagOf(raw);
  let row: Command | undefined;
  try {
    const head = readHead(session, raw);
    row = head.row;
    const run = row.prepare(head.dec, head.call);
    head.dec.expectEnd();
    checkState(session, row);
    const completion = await run(session);
    await finish(session, head, completion);
    conduct.clientBugs = 0;
    watch(row, 'OK');
  } catch (error) {
    watch(row, await answerError(session, { tag, row, error, conduct }));
  }
}

/** Tells news and the tagged OK. */
export async function finish(
  session: Session,
  { call, row }: Pick<CommandHead, 'call' | 'row'>,
  completion: Completion,
): Promise<void> {
  await tellNews(session, row, call.uid);
  const code = completion.code === undefined ? '' : `[${completion.code}] `;
  await session.out.line(`${call.tag} OK ${code}${completion.text}`);
  await completion.after?.();
}

/** Sends the tagged NO or BAD and returns it; logs what is our fault. @throws ConnectionClosed */
export async function answerError(
  session: Session,
  failed: {
    readonly tag: string | null;
    readonly row: Command | undefined;
    readonly error: unknown;
    readonly conduct: Conduct;
  },
): Promise<string> {
  const { tag, row, error, conduct } = failed;
  if (error instanceof ConnectionClosed) throw error;
  const answer = answerOf(error);
  if (answer.clientBug) conduct.clientBugs += 1;
  if (answer.ours) logFault(session, row, error);
  if (row !== undefined && session.state === 'selected' && !(error instanceof GrammarError)) {
    await tellNews(session, row, false);
  }
  const code = answer.code === null ? '' : `[${answer.code}] `;
  await session.out.line(`${tag ?? '*'} ${answer.status} ${code}${answer.text}`);
  return answer.status;
}

async function tellNews(session: Session, row: Command, uid: boolean): Promise<void> {
  if (row.effects.tellsNothing === true) return;
  const expunges = uid || row.effects.usesSequence !== true;
  await session.mailboxIfAny?.tellChanges(session, {
    expunges,
    force: row.effects.refreshes === true,
    uid,
  });
}

function logFault(session: Session, row: Command | undefined, error: unknown): void {
  session.deps.log.error('imap.command.failed', {
    session: session.id,
    command: row?.name ?? 'unknown',
    error,
  });
}

type Watch = (row: Command | undefined, status: string) => void;

/** Begins to measure a command for the trace. */
export function startWatch(session: Session): Watch {
  const startedAt = performance.now();
  const at = session.deps.clock.now();
  const state = session.state;
  const [bytesIn, bytesOut] = [session.door.bytesIn, session.out.bytes];
  return (row, status) => {
    session.deps.trace.command(session.trace, {
      name: row?.name ?? '?',
      state,
      status,
      at,
      durationMs: performance.now() - startedAt,
      bytesIn: session.door.bytesIn - bytesIn,
      bytesOut: session.out.bytes - bytesOut,
    });
  };
}
