// What becomes of a literal, decided when it is announced and from the command's head alone (RFC 9051
// §4.3): a message is streamed, an argument is kept if it is small, anything else is refused before it
// costs memory.
import { checkState, readHead, type CommandHead } from './dispatcher.ts';
import type { Session } from './session.ts';
import type { AppendHead } from './wire/decode-append.ts';
import { GrammarError } from './wire/grammar-error.ts';
import type { StreamSpec } from './command.ts';
import type { LiteralStart, RawCommand } from './wire/raw-command.ts';

/** Octets of one argument before sign-in: names and passwords are short. */
const strangerBytesMax = 4_096;
/** How many arguments of the largest size one command may hold. */
const argumentsMax = 4;

export type LiteralPolicy =
  | { readonly kind: 'buffer' }
  | { readonly kind: 'refuse' }
  | {
      readonly kind: 'stream';
      readonly command: CommandHead;
      readonly head: AppendHead;
      readonly stream: StreamSpec<AppendHead>;
    };

type StreamHead = Extract<LiteralPolicy, { kind: 'stream' }>;

/** Decides; throws what `admit`, the state or the grammar says, which refuses the literal too. */
export async function decideLiteral(
  session: Session,
  raw: RawCommand,
  literal: LiteralStart,
): Promise<LiteralPolicy> {
  const streamed = session.state === 'not-authenticated' ? null : streamHead(session, raw);
  if (streamed !== null) {
    checkState(session, streamed.command.row);
    await streamed.stream.admit(session, streamed.head, literal);
    return streamed;
  }
  const { literalBytesMax } = session.deps.settings;
  const most =
    session.state === 'not-authenticated'
      ? Math.min(strangerBytesMax, literalBytesMax)
      : literalBytesMax;
  let kept = literal.size;
  for (const segment of raw.segments) kept += segment.kind === 'literal' ? segment.literal.size : 0;
  const fits = literal.size <= most && kept <= most * argumentsMax;
  return { kind: fits ? 'buffer' : 'refuse' };
}

/** The command, if it is one that streams and stands right before its last argument. */
function streamHead(session: Session, raw: RawCommand): StreamHead | null {
  try {
    const command = readHead(session, raw);
    const stream = command.row.stream;
    if (stream === undefined) return null;
    const head = stream.parseHead(command.dec);
    return command.dec.atEnd() ? { kind: 'stream', command, head, stream } : null;
  } catch (error) {
    // An argument is still to come, in this very literal: whatever is wrong shows when it is there.
    if (error instanceof GrammarError) return null;
    throw error;
  }
}
