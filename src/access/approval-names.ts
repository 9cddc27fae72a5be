// Approvals as people read them: with the names of who proposed and decided and of whom or what they are
// about, so that nobody decides on a number. Names are looked up when shown; rows and events hold ids.
import type { MailboxService } from '../mailbox/types.ts';
import type { Approval } from './approvals.ts';
import type { Persons } from './persons.ts';

export interface NamedApproval extends Omit<Approval, 'proposedBy' | 'decidedBy'> {
  /** Such as `person ann (Ann Example)`, `account ann@example.com`, `generation 3`. */
  readonly about: string;
  /** Name of the person. */
  readonly proposedBy: string;
  readonly decidedBy: string | null;
}

export interface ApprovalNamesDeps {
  readonly persons: Pick<Persons, 'list'>;
  readonly mailboxes: Pick<MailboxService, 'listAccounts'>;
}

/** The approvals in the order given. What has no name is shown by its id. */
export async function nameApprovals(
  deps: ApprovalNamesDeps,
  approvals: readonly Approval[],
): Promise<NamedApproval[]> {
  if (approvals.length === 0) return [];
  const [persons, accounts] = [await deps.persons.list(), await deps.mailboxes.listAccounts()];
  const personNames = new Map<string, string>(persons.map(({ id, name }) => [id, name]));
  const subjectNames: Readonly<Record<string, ReadonlyMap<string, string>>> = {
    person: new Map(persons.map(({ id, name, fullName }) => [id, `${name} (${fullName})`])),
    account: new Map(accounts.map(({ id, name }) => [id, name])),
  };
  const about = (subject: string): string =>
    Object.entries(JSON.parse(subject) as Readonly<Record<string, unknown>>)
      .map(([kind, value]) => {
        const text = typeof value === 'string' ? value : JSON.stringify(value);
        return `${kind} ${subjectNames[kind]?.get(text) ?? text}`;
      })
      .join(', ');
  return approvals.map((approval) => ({
    ...approval,
    about: about(approval.subject),
    proposedBy: personNames.get(approval.proposedBy) ?? approval.proposedBy,
    decidedBy:
      approval.decidedBy === null
        ? null
        : (personNames.get(approval.decidedBy) ?? approval.decidedBy),
  }));
}
