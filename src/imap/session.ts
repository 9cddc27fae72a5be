// One client's conversation: its state (RFC 9051 §3), what it switched on, and the doors to its
// connection that commands may use. No socket is touched here.
import { randomUUID } from 'node:crypto';
import { InvariantViolation } from '../kernel/errors.ts';
import type { AccountView } from '../mailbox/types.ts';
import type { SignedIn } from '../access/sign-in.ts';
import type { AccountSessions } from './account-sessions.ts';
import type { ImapRuntime, ListenerKind } from './deps.ts';
import type { Output } from './output.ts';
import type { SelectedMailbox } from './selected-mailbox.ts';
import type { TracedSession } from './session-trace.ts';
import { type Ranges } from './wire/ranges.ts';

export type StateName = 'not-authenticated' | 'authenticated' | 'selected' | 'logout';

type State =
  | { readonly kind: 'not-authenticated' }
  | { readonly kind: 'authenticated'; readonly signedIn: SignedIn; readonly account: AccountView }
  | {
      readonly kind: 'selected';
      readonly signedIn: SignedIn;
      readonly account: AccountView;
      readonly mailbox: SelectedMailbox;
    }
  | { readonly kind: 'logout' };

/** What a command may do with its connection. */
export interface ConnectionDoor {
  readonly listener: ListenerKind;
  readonly address: string;
  readonly tls: boolean;
  /** TLS can be begun on this connection. */
  readonly canStartTls: boolean;
  startTls(): Promise<void>;
  /** Sends `+ text` and gives the line that follows; null if the client is gone. */
  ask(text: string): Promise<Uint8Array | null>;
  /** The next line without asking; see `unreadLine`. */
  readLine(): Promise<Uint8Array | null>;
  unreadLine(line: Uint8Array): void;
  /** Octets received. */
  readonly bytesIn: number;
  /** No further command is read. */
  end(): void;
  /** Cuts the connection: an announced literal cannot be finished. */
  abort(): void;
}

export type Enabled = 'CONDSTORE' | 'IMAP4rev2' | 'QRESYNC';

export class Session {
  readonly id: string = randomUUID();
  readonly deps: ImapRuntime;
  readonly out: Output;
  readonly door: ConnectionDoor;
  readonly trace: TracedSession;
  readonly #enabled = new Set<Enabled>();
  #state: State = { kind: 'not-authenticated' };
  /** Uids that SEARCH with SAVE left; emptied by SELECT (RFC 5182 §2.1). */
  saved: Ranges = [];
  failedSignIns = 0;
  /** The client said LOGOUT. */
  loggedOut = false;

  readonly #capabilities: (session: Session) => string;
  readonly #sessions: AccountSessions;
  #leave: () => void = () => undefined;

  constructor(
    deps: ImapRuntime,
    out: Output,
    door: ConnectionDoor,
    rules: {
      readonly capabilities: (session: Session) => string;
      readonly sessions: AccountSessions;
    },
  ) {
    this.deps = deps;
    this.out = out;
    this.door = door;
    this.#capabilities = rules.capabilities;
    this.#sessions = rules.sessions;
    this.trace = deps.trace.open({
      id: this.id,
      address: door.address,
      listener: door.listener,
      openedAt: deps.clock.now(),
    });
  }

  /** What CAPABILITY says now. */
  get capabilities(): string {
    return this.#capabilities(this);
  }

  get state(): StateName {
    return this.#state.kind;
  }

  /** Names and strings travel as UTF-8. */
  get utf8(): boolean {
    return this.#enabled.has('IMAP4rev2');
  }

  get rev2(): boolean {
    return this.#enabled.has('IMAP4rev2');
  }

  get condstore(): boolean {
    return this.#enabled.has('CONDSTORE');
  }

  /** Expunges are told as VANISHED. */
  get qresync(): boolean {
    return this.#enabled.has('QRESYNC');
  }

  enabled(name: Enabled): boolean {
    return this.#enabled.has(name);
  }

  /** Switches an extension on; for rev2 the encoding of what is written changes at once. */
  async enable(name: Enabled): Promise<void> {
    if (this.#enabled.has(name)) return;
    this.#enabled.add(name);
    if (name === 'IMAP4rev2') await this.out.setUtf8();
    // RFC 7162 §3.2.3: QRESYNC brings CONDSTORE.
    if (name === 'QRESYNC') this.#enabled.add('CONDSTORE');
  }

  /** Passwords may travel: TLS, or loopback where the configuration allows it. */
  get mayCarrySecrets(): boolean {
    return this.door.tls || (this.deps.settings.allowCleartextLoopback && this.#fromLoopback());
  }

  /** Who signed in. Only in states behind it. */
  get signedIn(): SignedIn {
    return this.#signedInState().signedIn;
  }

  get account(): AccountView {
    return this.#signedInState().account;
  }

  get mailbox(): SelectedMailbox {
    if (this.#state.kind !== 'selected') throw new InvariantViolation('no mailbox is selected');
    return this.#state.mailbox;
  }

  /** The selected mailbox, if there is one. */
  get mailboxIfAny(): SelectedMailbox | null {
    return this.#state.kind === 'selected' ? this.#state.mailbox : null;
  }

  /** @throws ImapError NO [LIMIT] */
  signIn(signedIn: SignedIn, account: AccountView): void {
    this.#leave = this.#sessions.enter(account.account.id);
    this.#setState({ kind: 'authenticated', signedIn, account });
    this.trace.account = account.account.id;
    this.trace.ledgerSession = signedIn.session;
  }

  select(mailbox: SelectedMailbox): void {
    const { signedIn, account } = this.#signedInState();
    this.#setState({ kind: 'selected', signedIn, account, mailbox });
  }

  /** Leaves the selected mailbox, if there is one; true if there was. */
  unselect(): boolean {
    if (this.#state.kind !== 'selected') return false;
    const { signedIn, account, mailbox } = this.#state;
    this.saved = [];
    this.#setState({ kind: 'authenticated', signedIn, account });
    mailbox.close();
    return true;
  }

  /** Frees everything; idempotent. Returns who was signed in. */
  close(): SignedIn | null {
    const state = this.#state;
    this.#setState({ kind: 'logout' });
    this.deps.searched.forget(this);
    this.trace.closedAt ??= this.deps.clock.now();
    this.#leave();
    if (state.kind === 'selected') state.mailbox.close();
    if (state.kind !== 'authenticated' && state.kind !== 'selected') return null;
    state.account.close();
    return state.signedIn;
  }

  #setState(state: State): void {
    this.#state = state;
    this.trace.state = state.kind;
  }

  #signedInState(): Extract<State, { kind: 'authenticated' | 'selected' }> {
    const state = this.#state;
    if (state.kind !== 'authenticated' && state.kind !== 'selected') {
      throw new InvariantViolation('nobody is signed in');
    }
    return state;
  }

  #fromLoopback(): boolean {
    return /^(::ffff:)?127\.|^::1$/.test(this.door.address);
  }
}
