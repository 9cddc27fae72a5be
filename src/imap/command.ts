// A command is a row: its names, where it may stand, what it does to sequence numbers, how it is read
// and what it does (RFC 9051 §6). It is read to its end, then its state is checked, then it runs.
import type { AppendHead } from './wire/decode-append.ts';
import type { Decoder } from './wire/decoder.ts';
import type { LiteralStart } from './wire/raw-command.ts';
import type { Session, StateName } from './session.ts';

/** A capability and when it is told. */
export interface CapabilityRow {
  readonly name: string | ((session: Session) => string);
  /** Default: always. */
  readonly when?: (session: Session) => boolean;
}

/** The end of a command that went well: `tag OK [code] text`. */
export interface Completion {
  readonly code?: string;
  readonly text: string;
  /** Runs after the tagged answer was sent: TLS, goodbye. */
  readonly after?: () => Promise<void>;
}

/** What a running command knows besides the session. */
export interface CommandCall {
  readonly tag: string;
  /** The UID variant. */
  readonly uid: boolean;
}

export interface CommandEffects {
  /** Names messages by sequence number, so that nothing may vanish until it ends (RFC 9051 §7.5.1). */
  readonly usesSequence?: boolean;
  /** Asks the store for news even if this process knows of none: NOOP, CHECK. */
  readonly refreshes?: boolean;
  /** Says all news itself, or makes them pointless. */
  readonly tellsNothing?: boolean;
}

export interface CommandSpec<A> {
  readonly name: string;
  /** True: `UID name` exists too. `only`: nothing but `UID name` is this command. */
  readonly uid?: boolean | 'only';
  readonly states: readonly StateName[];
  readonly capabilities?: readonly CapabilityRow[];
  readonly rfc: string;
  readonly effects?: CommandEffects;
  /** Everything after the name, its space included; the caller checks that the end was reached. */
  parse(dec: Decoder, call: CommandCall): A;
  run(session: Session, args: A, call: CommandCall): Promise<Completion>;
}

/** A command whose last argument is a literal that is never held whole: APPEND. */
export interface StreamSpec<H> {
  /** Reads up to the literal. */
  parseHead(dec: Decoder): H;
  /**
   * Looks whether the octets may come. Throws `ImapError` to refuse the literal before one is taken.
   */
  admit(session: Session, head: H, literal: LiteralStart): Promise<void>;
  /** Takes the octets; what it returns finishes the command once its line has ended well. */
  receive(
    session: Session,
    incoming: {
      readonly head: H;
      readonly literal: LiteralStart;
      readonly octets: AsyncIterable<Uint8Array>;
    },
  ): Promise<ReceivedLiteral>;
}

export interface ReceivedLiteral {
  finish(): Promise<Completion>;
  abandon(): Promise<void>;
}

/** A row whose argument type is closed over, as the registry holds it. */
export interface Command {
  readonly name: string;
  readonly uid: boolean | 'only';
  readonly states: readonly StateName[];
  readonly capabilities: readonly CapabilityRow[];
  readonly rfc: string;
  readonly effects: CommandEffects;
  readonly stream: StreamSpec<AppendHead> | undefined;
  /** Reads the arguments and returns what runs them. */
  prepare(dec: Decoder, call: CommandCall): (session: Session) => Promise<Completion>;
}

/** Makes a row for the registry. */
export function command<A>(spec: CommandSpec<A>, stream?: StreamSpec<AppendHead>): Command {
  return {
    name: spec.name,
    uid: spec.uid ?? false,
    states: spec.states,
    capabilities: spec.capabilities ?? [],
    rfc: spec.rfc,
    effects: spec.effects ?? {},
    stream,
    prepare(dec, call) {
      const args = spec.parse(dec, call);
      return (session) => spec.run(session, args, call);
    },
  };
}

/** `parse` of a command without arguments. */
export function noArguments(): null {
  return null;
}

/** Every state in which a session is alive. */
export const anyState: readonly StateName[] = ['not-authenticated', 'authenticated', 'selected'];
/** Signed in, with or without a mailbox. */
export const signedInStates: readonly StateName[] = ['authenticated', 'selected'];
