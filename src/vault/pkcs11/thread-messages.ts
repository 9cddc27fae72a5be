// What a process and its token thread say to each other (threaded-store.ts, token-thread.ts).
import type { ErrorFields } from '../../kernel/errors.ts';
import type { KekRef, StoredKey, StoreHealth, TokenClass } from '../keys/key-store.ts';
import type { Pkcs11StoreOptions } from './pkcs11-store.ts';

/** The options of the store as plain values; PINs as text, which goes no further than this process. */
export type ThreadOptions = Omit<Pkcs11StoreOptions, 'pin' | 'soPin' | 'now' | 'onHung'> & {
  readonly pin?: string | undefined;
  readonly soPin?: string | undefined;
};

/** By operation: what it takes and what it answers. Keys travel in buffers of their own, moved, not copied. */
export interface ThreadOperations {
  open: { takes: { readonly options: ThreadOptions }; gives: undefined };
  ensureKek: { takes: { readonly generation: number }; gives: KekRef };
  destroyKek: { takes: { readonly kekId: string }; gives: undefined };
  wrap: {
    takes: { readonly kekId: string; readonly aad: Uint8Array; readonly key: Uint8Array };
    gives: Uint8Array;
  };
  unwrap: {
    takes: { readonly kekId: string; readonly aad: Uint8Array; readonly blob: Uint8Array };
    gives: Uint8Array;
  };
  ensureSigningKey: { takes: { readonly label: string }; gives: Uint8Array };
  findSigningKey: { takes: { readonly label: string }; gives: Uint8Array };
  sign: {
    takes: { readonly label: string; readonly digest: Uint8Array };
    gives: Uint8Array;
  };
  inventory: { takes: object; gives: readonly StoredKey[] };
  health: { takes: object; gives: StoreHealth };
  /** Answered by a thread that is not inside the module. */
  ping: { takes: object; gives: undefined };
  close: { takes: object; gives: undefined };
}

export type ThreadOperation = keyof ThreadOperations;

export interface ToThread {
  readonly id: number;
  readonly operation: ThreadOperation;
  readonly takes: ThreadOperations[ThreadOperation]['takes'];
}

/** What the log needs of an error that a module or the engine threw. */
export interface ThreadCause {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

export type FromThread =
  | {
      readonly kind: 'done';
      readonly id: number;
      readonly gives: ThreadOperations[ThreadOperation]['gives'];
      readonly tokenClass: TokenClass | undefined;
    }
  | {
      readonly kind: 'failed';
      readonly id: number;
      readonly code: string;
      readonly fields: ErrorFields;
      /** Of what lay under it; an error that crosses a thread keeps no other trace. */
      readonly cause: ThreadCause | undefined;
    }
  /** A call of the module has not come back long after its time. */
  | { readonly kind: 'hung' };
