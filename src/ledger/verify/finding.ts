// What the verification of the ledger reports. Pure types and a bounded list.

export interface Finding {
  /** Where: `audit_log seq 17`, `tile/0/000`, `checkpoint`, `audit_head`, `boot n1/…`. */
  readonly place: string;
  /** What does not fit: `body`, `chain`, `missing`, `signature`, `root`, … */
  readonly what: string;
  readonly detail?: string;
}

/** A damaged ledger can have a finding in every row; this many are enough to act. */
const findingsMax = 100;

export class Findings {
  readonly list: Finding[] = [];
  /** Not tampering, but worth a look: silence, left-over files, events on their way. */
  readonly notices: Finding[] = [];
  truncated = false;

  add(place: string, what: string, detail?: string): void {
    if (this.list.length >= findingsMax) {
      this.truncated = true;
      return;
    }
    this.list.push({ place, what, ...(detail === undefined ? {} : { detail }) });
  }

  note(place: string, what: string, detail?: string): void {
    if (this.notices.length >= findingsMax) return;
    this.notices.push({ place, what, ...(detail === undefined ? {} : { detail }) });
  }
}
