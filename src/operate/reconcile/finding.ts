// What a comparison of handed-out keys with the ledger can find. Pure.

export type FindingReason =
  /** Nothing in the ledger allows or explains it. */
  | 'no-event'
  /** The event that was named is of another operation, or a failure. */
  | 'operation'
  /** The event does not name this custodian. */
  | 'custodian'
  /** Something else was opened than the event names. */
  | 'object'
  /** More was opened than the event is about. */
  | 'count';

export interface Finding {
  readonly reason: FindingReason;
  /** `opened`, `moved`, `wrapped`, `write`. */
  readonly kind: string;
  readonly keyKind: string;
  /** Whose keys. */
  readonly custodian: string;
  readonly keys: number;
  /** The first event that was named, if any. */
  readonly event: string | undefined;
}
