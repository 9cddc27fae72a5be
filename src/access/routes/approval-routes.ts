// Routes of approvals: what waits, grant, deny.
import { PostsealError } from '../../kernel/errors.ts';
import type { ApprovalStateName } from '../approval.store.ts';
import { approvalTable } from '../approval-table.ts';
import { type ApprovalNamesDeps, nameApprovals } from '../approval-names.ts';
import type { Approvals } from '../approvals.ts';
import type { Role } from '../roles.ts';
import { objectSchema, type Route, route, uuidSchema } from './route.ts';

const text = { type: 'string', minLength: 1, maxLength: 1024 };
const states = ['proposed', 'granted', 'denied', 'used', 'expired'];

/** Everybody whom the table names: who proposes or approves anything may look and decide. */
const concerned: readonly Role[] = [
  ...new Set(
    Object.values(approvalTable).flatMap((row): Role[] => [...row.proposes, ...row.approves]),
  ),
];

export interface ApprovalRoutesDeps extends ApprovalNamesDeps {
  readonly approvals: Pick<Approvals, 'list' | 'decide'>;
}

export function approvalRoutes(deps: ApprovalRoutesDeps): readonly Route[] {
  return [
    route<{ state?: ApprovalStateName }>({
      name: 'approval.list',
      method: 'GET',
      path: '/approvals',
      summary: 'List approvals: what about whom, proposed and decided by whom',
      access: [...concerned, 'audit-admin'],
      input: objectSchema({ state: { type: 'string', enum: states } }, ['state']),
      run: async ({ input }) => nameApprovals(deps, await deps.approvals.list(input.state)),
    }),
    route<{ id: string; decision: 'grant' | 'deny'; reason?: string }>({
      name: 'approval.decide',
      method: 'POST',
      path: '/approvals/:id/decision',
      summary: 'Grant or deny what another person proposed',
      access: concerned,
      input: objectSchema(
        { id: uuidSchema, decision: { type: 'string', enum: ['grant', 'deny'] }, reason: text },
        ['reason'],
      ),
      async run({ input, by }) {
        if (by === undefined) throw new PostsealError('access.signed-out');
        const { id, reason } = input;
        const decision = {
          grant: input.decision === 'grant',
          ...(reason === undefined ? {} : { reason }),
        };
        const decided = await deps.approvals.decide(id, decision, by);
        return (await nameApprovals(deps, [decided]))[0];
      },
    }),
  ];
}
