// What the primary and the signer process say to each other over IPC: nobody else can ask for a
// signature. The PIN travels here and in no argument or environment variable.
import type { ErrorFields } from '../../kernel/errors.ts';
import type { AlertCode } from '../../platform/alerts/alert-registry.ts';
import type { KeyStoreChoice } from '../../vault/keys/open-key-store.ts';

export interface SignerProcessConfig {
  readonly organisation: string;
  readonly origin: string;
  /** The ledger's folder, read only for the signer. */
  readonly dir: string;
  /** The signer's own memory: one file. */
  readonly stateFile: string;
  /** The home's `keys/` folder. */
  readonly folder: string;
  readonly store: KeyStoreChoice;
}

export type ToSigner =
  | { readonly kind: 'start'; readonly config: SignerProcessConfig }
  | { readonly kind: 'sign'; readonly id: number; readonly size: number; readonly root: string }
  | { readonly kind: 'stop' };

export type FromSigner =
  /** `spki` and `root` in base64. */
  | { readonly kind: 'ready'; readonly spki: string; readonly size: number; readonly root: string }
  | { readonly kind: 'signed'; readonly id: number; readonly note: string }
  | {
      readonly kind: 'refused';
      readonly id: number;
      readonly code: string;
      readonly fields: ErrorFields;
    }
  /** The start failed; the process ends. */
  | { readonly kind: 'failed'; readonly code: string; readonly fields: ErrorFields }
  | {
      readonly kind: 'alert';
      readonly code: AlertCode;
      readonly fields: ErrorFields;
    };
