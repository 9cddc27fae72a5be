// Commands about keys; none of them ever prints one.
import { type ExitCode, exitCode, PostsealError } from '../../kernel/errors.ts';
import type { CliCall, Verb } from '../verb.ts';

const generationColumns = [
  'generation',
  'state',
  'createdAt',
  'retiredAt',
  'destroyedAt',
  'custodianKeys',
  'organisationKeys',
  'groupKeys',
  'label',
];

async function rewrap({ api, out }: CliCall): Promise<ExitCode> {
  const progress = out.progress('rewrap');
  let done: Readonly<Record<string, number>> | undefined;
  try {
    for await (const line of api.lines({ method: 'POST', path: '/keys/rewrap' })) {
      const { done: at, total } = line as { done: unknown; total?: number };
      if (total === undefined) done = at as Record<string, number>;
      else progress.update(Number(at), total);
    }
  } finally {
    progress.stop();
  }
  if (done === undefined) throw new PostsealError('server.connection-lost');
  const { generation, custodians, rotated, groups, wraps, failed = 0 } = done;
  out.result(done, [
    `all but ${failed} under generation ${generation}`,
    `custodians moved: ${custodians}, of these with new keys: ${rotated}`,
    `replaced group keys destroyed: ${groups}, wraps moved: ${wraps}`,
    ...(failed === 0 ? [] : [`what does not open stays where it is: see postseal scrub`]),
  ]);
  return failed === 0 ? exitCode.done : exitCode.failure;
}

export const keyVerbs: readonly Verb[] = [
  {
    noun: 'key',
    verb: 'status',
    summary: 'Show the key service, its token and its generation',
    async run({ api, out }) {
      const status = (await api.call({ method: 'GET', path: '/keys/status' })) as object;
      out.result(
        status,
        Object.entries(status).map(([name, value]) => `${name}: ${String(value)}`),
      );
      return exitCode.done;
    },
  },
  {
    noun: 'key',
    verb: 'generations',
    summary: 'List key generations, their dates and what still hangs under each',
    async run({ api, out }) {
      const rows = await api.call({ method: 'GET', path: '/keys/generations' });
      out.table(rows as object[], generationColumns);
      return exitCode.done;
    },
  },
  {
    noun: 'key',
    verb: 'rotate',
    summary: 'Make the next key generation in the token; key rewrap then moves the rest under it',
    async run({ api, out }) {
      const done = await api.call({ method: 'POST', path: '/keys/generations' });
      const { generation, rotated, failed } = done as Record<string, number>;
      out.result(done, [
        `generation ${generation} is live`,
        `custodians with new keys: ${rotated}`,
        ...(failed === 0
          ? []
          : [`custodians whose keys do not open: ${failed}; see postseal scrub`]),
      ]);
      return failed === 0 ? exitCode.done : exitCode.failure;
    },
  },
  {
    noun: 'key',
    verb: 'rewrap',
    summary: 'Move all that is left under the live key generation; may be ended and run again',
    run: rewrap,
  },
];
