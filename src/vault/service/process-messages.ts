// What the primary and the key service process say to each other over IPC. Secrets travel here and in
// no argument or environment variable.
import type { ErrorFields } from '../../kernel/errors.ts';
import type { KeyStoreChoice } from '../keys/open-key-store.ts';
import type { KeyLimitRates } from './key-limits.ts';
import type { KeyListener } from './key-tls.ts';

export interface KeyProcessConfig {
  readonly databaseUrl: string;
  readonly organisation: string;
  /** Name of the node, as in every leaf. */
  readonly node: string;
  /** The home's `keys/` folder. */
  readonly folder: string;
  readonly socketPath: string;
  readonly store: KeyStoreChoice;
  readonly limits?: KeyLimitRates;
  /** For nodes on other machines. */
  readonly listener?: KeyListener | undefined;
}

export type ToKeyProcess =
  { readonly kind: 'start'; readonly config: KeyProcessConfig } | { readonly kind: 'stop' };

export type FromKeyProcess =
  /** Serves; `port` is the listener's for other machines. */
  | { readonly kind: 'ready'; readonly port?: number | undefined }
  /** The start failed; the process ends. */
  | { readonly kind: 'failed'; readonly code: string; readonly fields: ErrorFields }
  /** Something failed that is not a caller's fault; for log and alerts. */
  | { readonly kind: 'trouble'; readonly code: string; readonly fields: ErrorFields };
