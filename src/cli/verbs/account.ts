// Commands about mail accounts.
import { exitCode, PostsealError } from '../../kernel/errors.ts';
import { type CliCall, passwordStdin, type Verb } from '../verb.ts';

const columns = ['name', 'state', 'id'];
const name = { name: 'NAME', text: 'name of the account, usually its address' };

async function show(
  call: CliCall,
  answer: Promise<unknown>,
  extra: readonly string[] = [],
): Promise<0> {
  call.out.item((await answer) as object, [...columns, ...extra]);
  return exitCode.done;
}

/** Without an approval nothing is read or set: it is proposed, and told who decides. */
async function newPassword(call: CliCall): Promise<0> {
  const approval = call.option('approval');
  const request = { method: 'POST', path: `${pathOf(call)}/password` } as const;
  if (approval !== undefined) {
    const json = { approval, password: await call.readPassword('new', call.args[0]) };
    return show(call, call.api.call({ ...request, json }));
  }
  if (call.flag('password-stdin')) {
    throw new PostsealError('usage', {
      finding: '--password-stdin goes with --approval: the password is set once it is approved',
    });
  }
  const answer = await call.api.call({ ...request, json: {} });
  const { proposed, approves } = answer as { proposed: { id: string }; approves: string[] };
  call.out.result(answer, [
    `proposed ${proposed.id}: needs approval by ${approves.join(' or ')}`,
    `they grant it: postseal approval grant ${proposed.id}`,
    `then set it: postseal account password ${call.args[0] ?? ''} --approval ${proposed.id}`,
  ]);
  return exitCode.done;
}

const pathOf = (call: CliCall): string => `/accounts/${encodeURIComponent(call.args[0] ?? '')}`;

export const accountVerbs: readonly Verb[] = [
  {
    noun: 'account',
    verb: 'create',
    summary: 'Create a mail account with its keys and default folders',
    arguments: [name],
    options: passwordStdin,
    async run(call) {
      const password = await call.readPassword('new', call.args[0]);
      const json = { name: call.args[0], password };
      return show(call, call.api.call({ method: 'POST', path: '/accounts', json }));
    },
  },
  {
    noun: 'account',
    verb: 'list',
    summary: 'List mail accounts',
    async run({ api, out }) {
      out.table((await api.call({ method: 'GET', path: '/accounts' })) as object[], columns);
      return exitCode.done;
    },
  },
  {
    noun: 'account',
    verb: 'show',
    summary: 'Show a mail account',
    arguments: [name],
    run: (call) => show(call, call.api.call({ method: 'GET', path: pathOf(call) })),
  },
  {
    noun: 'account',
    verb: 'disable',
    summary: 'Disable an account; its mail and its keys stay',
    arguments: [name],
    run: (call) =>
      show(call, call.api.call({ method: 'POST', path: `${pathOf(call)}/disable`, json: {} })),
  },
  {
    noun: 'account',
    verb: 'enable',
    summary: 'Open a disabled account again',
    arguments: [name],
    run: (call) =>
      show(call, call.api.call({ method: 'POST', path: `${pathOf(call)}/enable`, json: {} })),
  },
  {
    noun: 'account',
    verb: 'unlock',
    summary: 'Let an account try again that failed sign-ins have locked',
    arguments: [name],
    run: (call) =>
      show(call, call.api.call({ method: 'POST', path: `${pathOf(call)}/unlock`, json: {} }), [
        'unlocked',
      ]),
  },
  {
    noun: 'account',
    verb: 'alias',
    summary: 'Deliver another address to this account, or no longer',
    arguments: [name, { name: 'ADDRESS', text: 'the other address' }],
    options: { remove: { type: 'boolean', text: 'deliver it to this account no longer' } },
    async run(call) {
      const address = call.args[1] ?? '';
      const path = `${pathOf(call)}/aliases`;
      const answer = call.flag('remove')
        ? await call.api.call({ method: 'DELETE', path: `${path}/${encodeURIComponent(address)}` })
        : await call.api.call({ method: 'POST', path, json: { address } });
      call.out.item(answer as object, ['name', 'address']);
      return exitCode.done;
    },
  },
  {
    noun: 'account',
    verb: 'aliases',
    summary: 'List the other addresses of an account',
    arguments: [name],
    async run(call) {
      const rows = await call.api.call({ method: 'GET', path: `${pathOf(call)}/aliases` });
      call.out.table(rows as object[], ['name', 'address']);
      return exitCode.done;
    },
  },
  {
    noun: 'account',
    verb: 'password',
    summary: 'New password with four eyes: first proposes, then acts with --approval',
    arguments: [name],
    options: {
      approval: { type: 'string', text: 'the granted approval', value: 'ID' },
      ...passwordStdin,
    },
    run: newPassword,
  },
];
