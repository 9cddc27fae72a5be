// An approval is a decision by one person about another person's proposal.
import type { PersonId } from './ids.ts';
import type { UnixMs } from './time.ts';

export type ApprovalState =
  | { readonly kind: 'proposed' }
  | { readonly kind: 'granted'; readonly by: PersonId; readonly at: UnixMs }
  | { readonly kind: 'denied'; readonly by: PersonId; readonly at: UnixMs; readonly reason: string }
  | { readonly kind: 'expired'; readonly at: UnixMs };

export interface Approval {
  readonly id: string;
  /** Row of the approval table, for example `person.reset`. */
  readonly act: string;
  /** What is approved, as canonical JSON of ids; hashed into the ledger. */
  readonly subject: string;
  readonly proposedBy: PersonId;
  readonly proposedAt: UnixMs;
  readonly state: ApprovalState;
}
