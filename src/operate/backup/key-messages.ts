// What a process that needs backup keys and the one that holds the token's login say to each other over IPC.
// Secrets travel here and in no argument or environment variable.
import type { ErrorFields } from '../../kernel/errors.ts';
import type { KeyStoreChoice } from '../../vault/keys/open-key-store.ts';

export interface BackupKeyPlace {
  readonly organisation: string;
  /** The home's `keys/` folder. */
  readonly folder: string;
  readonly store: KeyStoreChoice;
  /** No backup was ever made from this home: a key file may be begun. */
  readonly first: boolean;
  /** `keys`: for files of the key state, whose keys hang under key generations. Default `backup`. */
  readonly role?: 'backup' | 'keys';
}

export type KeyQuestion =
  | { readonly ask: 'place'; readonly place: BackupKeyPlace }
  | { readonly ask: 'make' }
  | { readonly ask: 'open'; readonly keyId: string; readonly wrap: Uint8Array }
  | ({ readonly ask: 'open-state' } & WrappedUnder);

/** A key of the key state in the head of its file. */
export interface WrappedUnder {
  readonly keyId: string;
  readonly generation: number;
  readonly wrap: Uint8Array;
}

export type KeyReply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly code: string; readonly fields: ErrorFields };
