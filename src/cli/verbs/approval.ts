// Commands about approvals: what waits for a second person.
import { exitCode } from '../../kernel/errors.ts';
import type { CliCall, Verb } from '../verb.ts';

const columns = ['id', 'act', 'about', 'state', 'grants', 'needed', 'proposedBy', 'proposedAt'];
const id = { name: 'ID', text: 'id of the approval' };
const reason = { reason: { type: 'string', text: 'why', value: 'TEXT' } } as const;

async function decide(call: CliCall, decision: 'grant' | 'deny'): Promise<0> {
  const text = call.option('reason');
  const json = { decision, ...(text === undefined ? {} : { reason: text }) };
  const path = `/approvals/${encodeURIComponent(call.args[0] ?? '')}/decision`;
  call.out.item((await call.api.call({ method: 'POST', path, json })) as object, columns);
  return exitCode.done;
}

export const approvalVerbs: readonly Verb[] = [
  {
    noun: 'approval',
    verb: 'list',
    summary: 'List approvals',
    options: { state: { type: 'string', text: 'only those in this state', value: 'STATE' } },
    async run(call) {
      const query = { state: call.option('state') };
      const rows = await call.api.call({ method: 'GET', path: '/approvals', query });
      call.out.table(rows as object[], columns);
      return exitCode.done;
    },
  },
  {
    noun: 'approval',
    verb: 'grant',
    summary: 'Grant what another person proposed',
    arguments: [id],
    options: reason,
    run: (call) => decide(call, 'grant'),
  },
  {
    noun: 'approval',
    verb: 'deny',
    summary: 'Deny what another person proposed',
    arguments: [id],
    options: reason,
    run: (call) => decide(call, 'deny'),
  },
];
