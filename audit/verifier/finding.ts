// What the verifier found: a place and what does not fit there.

export interface Finding {
  readonly place: string;
  readonly what: string;
}

/** The verifier could not do its work (exit code 1): nothing is said about the ledger. */
export class CannotRun extends Error {
  override readonly name = 'CannotRun';
}
