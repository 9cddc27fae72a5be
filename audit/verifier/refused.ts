// Bytes that `open` does not accept: what they were taken for, and why they are not that.

/** Kinds of docs/formats/conventions.md "Kinds of failure". */
export type RefusedKind = 'format' | 'commitment' | 'tag' | 'identity';

/** The bytes are damaged, forged, or of another object (exit code 70). */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly kind: RefusedKind;

  /** `format` names the page of docs/formats/, `what` the place in it; never a value. */
  constructor(format: string, kind: RefusedKind, what: string) {
    super(`${format}: ${what} (${kind})`);
    this.kind = kind;
  }
}
