// One client connection from greeting to goodbye: reads a command, runs it, reads the next (RFC 9051
// §2.2). Commands run strictly in order; while one runs, the socket is not read beyond a bound.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { AccountSessions } from './account-sessions.ts';
import { capabilitiesOf } from './capability.ts';
import { commands } from './commands/index.ts';
import type { SignedIn } from '../access/sign-in.ts';
import type { ImapRuntime, ListenerKind } from './deps.ts';
import {
  answerError,
  type CommandHead,
  type Conduct,
  finish,
  runCommand,
  startWatch,
  tagOf,
} from './dispatcher.ts';
import { Input } from './input.ts';
import { LiteralOctets, restOfCommand } from './literal-stream.ts';
import { decideLiteral, type LiteralPolicy } from './literal-policy.ts';
import { ConnectionClosed, Output } from './output.ts';
import { type ConnectionDoor, Session } from './session.ts';
import type { ReaderEvent } from './wire/command-reader.ts';
import { ImapError } from './wire/imap-error.ts';
import type { LiteralStart, RawCommand } from './wire/raw-command.ts';

/** A refused literal that was sent unasked is skipped up to this size; beyond it we hang up. */
const skippedBytesMax = 1_048_576;

export interface ConnectionOrigin {
  readonly listener: ListenerKind;
  readonly sessions: AccountSessions;
}

export class Connection {
  readonly #deps: ImapRuntime;
  readonly #input: Input;
  readonly #out: Output;
  readonly #session: Session;
  readonly #conduct: Conduct = { clientBugs: 0 };
  #socket: Socket;
  #tls: boolean;
  #ending = false;
  #farewell: string | null = null;

  constructor(socket: Socket, from: ConnectionOrigin, deps: ImapRuntime) {
    const { listener, sessions } = from;
    this.#deps = deps;
    this.#socket = socket;
    this.#tls = listener === 'imaps';
    this.#input = new Input(deps.settings.lineBytesMax);
    this.#out = new Output(socket, deps.settings.stallMs);
    const door = this.#door(listener, socket.remoteAddress ?? 'unknown');
    this.#session = new Session(deps, this.#out, door, {
      capabilities: (s) => capabilitiesOf(commands, s),
      sessions,
    });
    this.#attach(socket);
  }

  get session(): Session {
    return this.#session;
  }

  /** Serves until the client leaves, breaks the rules or is silent too long. Never rejects. */
  async serve(): Promise<void> {
    const { settings } = this.#deps;
    const signInLimit = setTimeout(() => {
      if (this.#session.state === 'not-authenticated')
        void this.goodbye('Too long without sign-in');
    }, settings.signInMs);
    try {
      await this.#out.line(`* OK [CAPABILITY ${this.#session.capabilities}] Postseal ready`);
      await this.#loop();
    } catch (error) {
      if (!(error instanceof ConnectionClosed)) this.#logFault(error);
    } finally {
      clearTimeout(signInLimit);
      this.#close();
    }
  }

  /** Says BYE and hangs up: shutdown, kick, limits. Safe at any time. */
  async goodbye(text: string): Promise<void> {
    if (this.#ending) return;
    if (this.#out.midLine) {
      // BYE would become part of a literal: the loop says it when the running command has ended.
      this.#farewell = text;
      return;
    }
    this.#ending = true;
    try {
      await this.#out.line(`* BYE ${text}`);
    } catch (error) {
      if (!(error instanceof ConnectionClosed)) this.#logFault(error);
    }
    this.#input.end();
    this.#socket.end();
  }

  async #loop(): Promise<void> {
    while (!this.#ending) {
      const event = await this.#input.next();
      if (event === null) return;
      await this.#handle(event);
      if (this.#farewell !== null) await this.goodbye(this.#farewell);
      if (this.#conduct.clientBugs >= this.#deps.settings.badCommandsMax) {
        await this.goodbye('Too many commands that are not IMAP');
      }
    }
  }

  async #handle(event: ReaderEvent): Promise<void> {
    if (event.kind === 'command') {
      await runCommand(this.#session, event.command, this.#conduct);
    } else if (event.kind === 'literal') {
      await this.#literal(event.literal, event.head);
    } else if (event.kind === 'too-long') {
      this.#conduct.clientBugs += 1;
      await this.#out.line(`${tagOf(event.head) ?? '*'} BAD [TOOBIG] The command line is too long`);
    }
  }

  async #literal(literal: LiteralStart, raw: RawCommand): Promise<void> {
    const tag = tagOf(raw);
    let policy: LiteralPolicy;
    try {
      policy = await decideLiteral(this.#session, raw, literal);
      if (policy.kind === 'refuse')
        throw new ImapError('BAD', 'TOOBIG', 'The literal is too large');
    } catch (error) {
      this.#input.decide('refuse');
      await answerError(this.#session, { tag, row: undefined, error, conduct: this.#conduct });
      if (!literal.synchronising && literal.size > skippedBytesMax) {
        await this.goodbye('The literal is too large to be skipped');
      }
      return;
    }
    this.#input.decide(policy.kind);
    if (literal.synchronising) await this.#out.line('+ Go on');
    if (policy.kind === 'stream') await this.#stream(policy, literal);
  }

  /** Runs a command whose literal streams by. Its octets are read to the end in any case. */
  async #stream(
    policy: Extract<LiteralPolicy, { kind: 'stream' }>,
    literal: LiteralStart,
  ): Promise<void> {
    const { command, head, stream } = policy;
    const watch = startWatch(this.#session);
    const octets = new LiteralOctets(this.#input);
    const outcome = await stream.receive(this.#session, { head, literal, octets }).then(
      (received) => ({ received }),
      (error: unknown) => ({ error }),
    );
    try {
      await octets.drain();
      const rest = await restOfCommand(this.#input);
      if ('error' in outcome) throw outcome.error;
      if (rest !== null) throw rest;
    } catch (error) {
      if ('received' in outcome) await outcome.received.abandon();
      watch(command.row, await this.#fail(command, error));
      return;
    }
    try {
      await finish(this.#session, command, await outcome.received.finish());
      watch(command.row, 'OK');
    } catch (error) {
      watch(command.row, await this.#fail(command, error));
    }
  }

  #fail(command: CommandHead, error: unknown): Promise<string> {
    const { tag } = command.call;
    return answerError(this.#session, { tag, row: command.row, error, conduct: this.#conduct });
  }

  #door(listener: ListenerKind, address: string): ConnectionDoor {
    const isTls = (): boolean => this.#tls;
    const input = this.#input;
    return {
      listener,
      address,
      get tls() {
        return isTls();
      },
      get canStartTls() {
        return !isTls();
      },
      get bytesIn() {
        return input.bytes;
      },
      startTls: () => this.#startTls(),
      ask: async (text) => {
        this.#input.readLine();
        await this.#out.line(`+ ${text}`);
        return this.#nextLine();
      },
      readLine: () => {
        this.#input.readLine();
        return this.#nextLine();
      },
      unreadLine: (line) => {
        this.#input.unreadLine(line);
      },
      end: () => {
        this.#ending = true;
      },
      abort: () => {
        this.#ending = true;
        this.#socket.destroy();
      },
    };
  }

  async #nextLine(): Promise<Uint8Array | null> {
    const event = await this.#input.next();
    if (event?.kind === 'line') return event.bytes;
    if (event?.kind === 'too-long') throw new ImapError('BAD', 'CLIENTBUG', 'The line is too long');
    return null;
  }

  /** Everything that came before the handshake is forgotten (RFC 9051 §6.2.1). */
  async #startTls(): Promise<void> {
    const secureContext = this.#deps.secureContext?.();
    if (secureContext === undefined) throw new ImapError('NO', 'CANNOT', 'There is no certificate');
    const plain = this.#socket;
    this.#input.detach();
    plain.pause();
    const secure = new TLSSocket(plain, { isServer: true, secureContext });
    const late = setTimeout(() => plain.destroy(), this.#deps.settings.handshakeMs);
    await new Promise<void>((resolve, reject) => {
      secure.once('secure', resolve);
      secure.once('error', reject);
      secure.once('close', () => {
        reject(new ConnectionClosed('the client left within the handshake'));
      });
    })
      .catch((error: unknown) => {
        plain.destroy();
        throw new ConnectionClosed('the handshake failed', { cause: error });
      })
      .finally(() => {
        clearTimeout(late);
      });
    this.#tls = true;
    this.#socket = secure;
    this.#out.attach(secure);
    this.#attach(secure);
  }

  #attach(socket: Socket): void {
    socket.setNoDelay(true);
    socket.setTimeout(this.#deps.settings.idleMs, () => {
      void this.goodbye('Idle for too long');
    });
    socket.on('error', (error) => {
      // Resets are how clients leave; the loop ends by the close that follows.
      this.#deps.log.debug('imap.connection.error', {
        session: this.#session.id,
        error,
      });
    });
    this.#input.attach(socket);
  }

  #close(): void {
    const signedIn = this.#session.close();
    this.#socket.end();
    // A client that does not close its side is not waited for.
    const socket = this.#socket;
    setTimeout(() => socket.destroy(), 1_000).unref();
    if (signedIn !== null) this.#recordEnd(signedIn);
  }

  #recordEnd(signedIn: SignedIn): void {
    const reason = this.#session.loggedOut ? 'signed out' : 'connection closed';
    this.#deps.signIn.accountEnded(signedIn, reason).catch((error: unknown) => {
      this.#logFault(error);
    });
  }

  #logFault(error: unknown): void {
    this.#deps.log.error('imap.connection.failed', {
      session: this.#session.id,
      error,
    });
  }
}
