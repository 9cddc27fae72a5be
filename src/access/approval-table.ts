// Which act is proposed by whom, approved by whom, and after which delay. Data, not code: the
// governance room adds its rows here, and routes look their act up.
import type { Role } from './roles.ts';

export interface ApprovalRow {
  readonly text: string;
  readonly proposes: readonly Role[];
  /** One approval by each listed role is needed; the approver is never the proposer. */
  readonly approves: readonly Role[];
  readonly delayHours: number;
}

export const approvalTable = {
  'person.reset': {
    text: 'Reset the password of a person',
    proposes: ['security-admin'],
    approves: ['system-admin'],
    delayHours: 0,
  },
  'key.destroy': {
    text: 'Destroy a key generation',
    proposes: ['key-custodian'],
    approves: ['key-custodian'],
    delayHours: 24,
  },
  'audit.export': {
    text: 'Export the ledger or change its verification key',
    proposes: ['audit-admin'],
    approves: ['security-admin'],
    delayHours: 0,
  },
  'content.break-glass': {
    text: 'Read content as an administrator in an emergency',
    proposes: ['system-admin'],
    approves: ['dpo'],
    delayHours: 0,
  },
} as const satisfies Record<string, ApprovalRow>;

export type ApprovalAct = keyof typeof approvalTable;

/** True if `text` names a row of the table. */
export function isApprovalAct(text: string): text is ApprovalAct {
  return Object.hasOwn(approvalTable, text);
}
