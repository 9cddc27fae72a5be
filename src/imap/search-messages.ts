// What the search worker is sent and answers.
import type { SearchedMetadata } from './query/index.ts';
import type { SearchKey } from './wire/search-key.ts';

export interface ToSearchWorker {
  readonly id: number;
  readonly key: SearchKey;
  readonly metadata: SearchedMetadata;
  readonly body: Uint8Array;
}

export type FromSearchWorker =
  | { readonly id: number; readonly verdict: boolean }
  | { readonly id: number; readonly fault: string };
