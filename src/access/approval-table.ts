// Which act is proposed by whom, approved by whom, after which delay, and for how long. Data, not code: a
// room that brings an act adds its row here, and its route looks the act up (docs/security/roles.md).
import type { Role } from './roles.ts';

export interface ApprovalRow {
  readonly text: string;
  readonly proposes: readonly Role[];
  /** Who may decide: a holder of any of these roles who is neither the proposer nor the person concerned. */
  readonly approves: readonly Role[];
  /** How many of them must grant; default 1. Who denies ends it. */
  readonly decisions?: number;
  /** How many persons must hold an approving role when it is proposed; default: no rule. */
  readonly holders?: number;
  /** Hours between the last grant and the act. */
  readonly delayHours: number;
  /** Hours after the proposal in which it must be decided and used; then it has expired. */
  readonly validHours: number;
}

const week = 7 * 24;

export const approvalTable = {
  'person.reset': {
    text: 'Reset the password of a person',
    // The system administrator proposes it for the security administrator alone (person-routes.ts): else
    // one lost password would lock the whole organisation out.
    proposes: ['security-admin', 'system-admin'],
    approves: ['system-admin', 'security-admin', 'audit-admin'],
    delayHours: 0,
    validHours: week,
  },
  'account.password': {
    // Whoever knows the password of an account reads its mail, so no administrator sets one alone.
    text: 'Give an existing mail account a new password',
    proposes: ['system-admin'],
    approves: ['security-admin'],
    delayHours: 0,
    validHours: week,
  },
  'key.destroy': {
    text: 'Destroy a key generation',
    // Officers alone: who proposes does not decide, so all of three have a part in it.
    proposes: ['key-custodian'],
    approves: ['key-custodian'],
    // M of N: the configuration may ask for more or fewer (generations.officers).
    decisions: 2,
    holders: 3,
    delayHours: 24,
    validHours: week,
  },
  'restore.sign': {
    text: 'Open an archive that was made of a backup',
    // Who runs the machine does not say alone that nothing is missing.
    proposes: ['system-admin', 'security-admin', 'audit-admin'],
    approves: ['security-admin', 'audit-admin', 'dpo'],
    delayHours: 0,
    validHours: week,
  },
  'audit.export': {
    text: 'Export the ledger or change its verification key',
    proposes: ['audit-admin'],
    approves: ['security-admin'],
    delayHours: 0,
    validHours: week,
  },
  'content.break-glass': {
    text: 'Read content as an administrator in an emergency',
    proposes: ['system-admin'],
    approves: ['dpo'],
    delayHours: 0,
    validHours: week,
  },
} as const satisfies Record<string, ApprovalRow>;

export type ApprovalAct = keyof typeof approvalTable;

/** True if `text` names a row of the table. */
export function isApprovalAct(text: string): text is ApprovalAct {
  return Object.hasOwn(approvalTable, text);
}
