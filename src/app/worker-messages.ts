// What the primary and its workers say to each other over IPC, beside the hints of
// platform/hints/cluster-hints.ts.
import type { DayKey } from '../access/unknown-names.ts';
import type { NodeContext } from './node-context.ts';

export type ToWorker =
  | {
      readonly postseal: 'start';
      readonly context: NodeContext;
      readonly index: number;
      readonly unknownNames: DayKey;
    }
  | { readonly postseal: 'stop' }
  /** Forget every opened key, then answer with `flushed` and the same number. */
  | { readonly postseal: 'flush'; readonly id: number }
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
  | { readonly postseal: 'flushed'; readonly id: number }
  | { readonly postseal: 'sign-in-failed'; readonly nameKey: string; readonly ip: string };

/** True for a message of this file; hints and others pass by. */
export function isPostsealMessage(message: unknown): message is { readonly postseal: string } {
  return typeof message === 'object' && message !== null && 'postseal' in message;
}
