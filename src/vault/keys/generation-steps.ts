// The steps of a switch of key generations, as a node asks the key service for them: each small, each safe to
// repeat, each leaving its state in the database alone. What drives them: src/archive/generations/.
import type { CustodianId, EventId } from '../../kernel/ids.ts';

/** A lease under whose fence the step may write (src/platform/jobs/lease.store.ts). */
export interface StepLease {
  readonly name: string;
  readonly fence: number;
}

export type GenerationStep =
  /** Makes the KEK after `from` in the token and lets it live; `order` is a `key.rotation-ordered`. */
  | { readonly do: 'begin'; readonly from: number; readonly order: EventId }
  /**
   * Moves the next custodians behind `after` under the live generation, at most `limit`; with `marked` only
   * those with a marked group.
   */
  | {
      readonly do: 'move';
      readonly after: string;
      readonly limit: number;
      readonly marked: boolean;
      readonly lease: StepLease;
    }
  /** Opens every live key of the next custodians with the live generation alone. */
  | { readonly do: 'prove'; readonly after: string; readonly limit: number }
  /** Ends the next wraps under a generation whose destruction is decided. */
  | { readonly do: 'bury'; readonly generation: number; readonly lease: StepLease }
  /** Destroys the KEK of a generation whose destruction is decided and under which nothing is left. */
  | { readonly do: 'destroy'; readonly generation: number; readonly lease: StepLease }
  /** Makes a key for files of the key state, under the live generation (docs/formats/key-state.md). */
  | { readonly do: 'state-key' }
  /** Drops what the service has in memory of these custodians. */
  | { readonly do: 'forget'; readonly custodians: readonly CustodianId[] };

export interface GenerationAnswers {
  readonly begin: { readonly generation: number };
  readonly move: Moved;
  readonly prove: Proved;
  readonly bury: { readonly ended: number };
  readonly destroy: object;
  readonly 'state-key': WrappedStateKey;
  readonly forget: object;
}

/** A fresh key that opens nothing of the archive: under it wraps are sealed once more. */
export interface WrappedStateKey {
  readonly keyId: string;
  readonly generation: number;
  /** Base64: 32 bytes, and their wrap under the KEK of the generation. */
  readonly key: string;
  readonly wrap: string;
}

export interface Proved extends Pick<Moved, 'failed' | 'next'> {
  /** Custodians of whom every key opened. */
  readonly proved: number;
}

export interface Moved {
  /** Custodians whose keys hang under the live generation now. */
  readonly moved: number;
  /** Of these, how many got a new custodian key because a group was marked. */
  readonly rotated: number;
  /** Keys that do not open; their custodians stay where they are. */
  readonly failed: readonly { readonly custodian: CustodianId; readonly code: string }[];
  /** Where the next step goes on; undefined at the end. */
  readonly next: string | undefined;
}

/** Before every custodian. */
export const firstCustodian = '00000000-0000-0000-0000-000000000000';
