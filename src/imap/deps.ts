// What the IMAP server is composed of: the rooms above it, and its own settings.
import type { SecureContext } from 'node:tls';
import type { Archive } from '../archive/types.ts';
import type { Committer } from '../archive/committer/types.ts';
import type { Refusals } from '../access/refusals.ts';
import type { SignIn } from '../access/sign-in.ts';
import type { UnixMs } from '../kernel/time.ts';
import type { MailboxService } from '../mailbox/types.ts';
import type { Log } from '../platform/log/log.ts';
import type { SearchPool } from './search-pool.ts';
import type { SearchedBodies } from './searched-bodies.ts';
import type { SessionTrace } from './session-trace.ts';

export type ListenerKind = 'imap' | 'imaps';

export interface ImapSettings {
  /** Octets of a command without literals (RFC 7162 §4 asks for 8,192 at least). */
  readonly lineBytesMax: number;
  /** Octets of one literal outside APPEND. */
  readonly literalBytesMax: number;
  /** Octets of one message by APPEND; announced as APPENDLIMIT. */
  readonly messageBytesMax: number;
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly sessionsPerAccountMax: number;
  /** Of STARTTLS; the other listener has the same. */
  readonly handshakeMs: number;
  /** From the connection to a sign-in. */
  readonly signInMs: number;
  /** Without a byte in either direction, after sign-in; RFC 9051 §5.4: at least 30 minutes. */
  readonly idleMs: number;
  /** A client that takes nothing for so long is cut off. */
  readonly stallMs: number;
  /** Untagged OK during IDLE. */
  readonly keepAliveMs: number;
  /** Before the answer to a failed sign-in. */
  readonly failedSignInMs: number;
  readonly failedSignInsMax: number;
  /** Opened bodies that a process keeps for the next search of the same session, a minute at most. */
  readonly searchedBytesMax: number;
  /** Commands outside the grammar before the connection is closed. */
  readonly badCommandsMax: number;
  /** Sign-in without TLS from 127.0.0.1 and ::1. */
  readonly allowCleartextLoopback: boolean;
}

export const imapSettingsDefault: ImapSettings = {
  lineBytesMax: 65_536,
  literalBytesMax: 65_536,
  messageBytesMax: 52_428_800,
  connectionsMax: 20_000,
  connectionsPerAddressMax: 1_000,
  sessionsPerAccountMax: 100,
  handshakeMs: 30_000,
  signInMs: 120_000,
  idleMs: 35 * 60_000,
  stallMs: 5 * 60_000,
  keepAliveMs: 120_000,
  failedSignInMs: 2_000,
  failedSignInsMax: 5,
  searchedBytesMax: 67_108_864,
  badCommandsMax: 20,
  allowCleartextLoopback: false,
};

export interface ImapDeps {
  readonly settings: ImapSettings;
  readonly mailboxes: MailboxService;
  readonly archive: Archive;
  readonly committer: Committer;
  /** False while the archive is read-only: mailboxes are then opened as by EXAMINE. */
  readonly mayChange: () => Promise<boolean>;
  readonly signIn: Pick<SignIn, 'account' | 'accountEnded'>;
  readonly refusals: Pick<Refusals, 'tell'>;
  readonly log: Log;
  readonly trace: SessionTrace;
  readonly clock: { now(): UnixMs };
  /** The certificate of now; asked for each handshake of STARTTLS. Absent: no TLS. */
  readonly secureContext?: () => SecureContext;
  /** For ID. */
  readonly version: string;
}

/** What the listeners add for all their connections. */
export interface ImapRuntime extends ImapDeps {
  readonly searches: SearchPool;
  readonly searched: SearchedBodies;
}
