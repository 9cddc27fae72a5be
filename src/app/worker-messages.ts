// What the primary and its workers say to each other over IPC, beside the hints of
// platform/hints/cluster-hints.ts.
import type { DayKey } from '../access/unknown-names.ts';
import type { TracedSession } from '../imap/session-trace.ts';
import type { NodeContext } from './node-context.ts';

/** What the primary asks every worker, and what each answers. */
export interface Answers {
  /** Forget every opened key. */
  readonly flush: null;
  /** Forget the failed sign-ins of a name. */
  readonly 'forget-failures': null;
  /** The IMAP sessions of this worker, open and lately closed. */
  readonly sessions: readonly TracedSession[];
  /** Hang up one session, or every session of an account; how many there were. */
  readonly kick: number;
}

export type Question =
  | { readonly what: 'flush' }
  | { readonly what: 'forget-failures'; readonly nameKey: string }
  | { readonly what: 'sessions' }
  | { readonly what: 'kick'; readonly session: string }
  | { readonly what: 'kick'; readonly account: string };

export type ToWorker =
  | {
      readonly postseal: 'start';
      readonly context: NodeContext;
      readonly index: number;
      readonly unknownNames: DayKey;
    }
  | { readonly postseal: 'stop' }
  /** Answered by `answered` with the same number. */
  | { readonly postseal: 'ask'; readonly id: number; readonly question: Question }
  /** A sign-in failed in another process of the node. */
  | { readonly postseal: 'sign-in-failed'; readonly nameKey: string; readonly ip: string };

export interface WorkerPorts {
  readonly imap: number | undefined;
  readonly imaps: number | undefined;
  readonly lmtp: number | undefined;
}

export type FromWorker =
  | { readonly postseal: 'listening'; readonly ports: WorkerPorts }
  | {
      readonly postseal: 'failed';
      readonly code: string;
      readonly fields: Readonly<Record<string, string | number | boolean>>;
    }
  | { readonly postseal: 'answered'; readonly id: number; readonly answer: Answers[keyof Answers] }
  | { readonly postseal: 'sign-in-failed'; readonly nameKey: string; readonly ip: string };

/** True for a message of this file; hints and others pass by. */
export function isPostsealMessage(message: unknown): message is { readonly postseal: string } {
  return typeof message === 'object' && message !== null && 'postseal' in message;
}
