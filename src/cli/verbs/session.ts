// Commands about IMAP sessions.
import { exitCode } from '../../kernel/errors.ts';
import type { CliCall, Verb } from '../verb.ts';

const columns = ['id', 'state', 'listener', 'address', 'account', 'openedAt', 'commands'];
const stages = [
  ...['id', 'state', 'listener', 'address', 'account', 'ledgerSession'],
  ...['client', 'openedAt', 'closedAt'],
];
const id = { name: 'ID', text: 'id of the session' };
const pathOf = (call: CliCall): string =>
  `/imap-sessions/${encodeURIComponent(call.args[0] ?? '')}`;

export const sessionVerbs: readonly Verb[] = [
  {
    noun: 'session',
    verb: 'list',
    summary: 'List IMAP sessions, open ones and those that ended lately',
    async run({ api, out }) {
      out.table((await api.call({ method: 'GET', path: '/imap-sessions' })) as object[], columns);
      return exitCode.done;
    },
  },
  {
    noun: 'session',
    verb: 'show',
    summary: 'Show stages and last commands of an IMAP session; never an argument',
    arguments: [id],
    async run(call) {
      const answer = await call.api.call({ method: 'GET', path: pathOf(call) });
      const { commands, ...session } = answer as { commands: object[] };
      if (call.out.json) call.out.item(answer as object, stages);
      else {
        call.out.item(session, stages);
        call.out.table(commands, ['at', 'name', 'state', 'status', 'durationMs', 'bytesOut']);
      }
      return exitCode.done;
    },
  },
  {
    noun: 'session',
    verb: 'kick',
    summary: 'End an IMAP session',
    arguments: [id],
    async run(call) {
      const answer = await call.api.call({ method: 'DELETE', path: pathOf(call) });
      call.out.item(answer as object, ['id', 'ended']);
      return exitCode.done;
    },
  },
];
