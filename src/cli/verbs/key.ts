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

async function destroy(call: CliCall): Promise<ExitCode> {
  const { api, out, args } = call;
  const approval = call.option('approval');
  const path = `/keys/generations/${encodeURIComponent(args[0] ?? '')}/destruction`;
  const json = approval === undefined ? {} : { approval };
  const answer = (await api.call({ method: 'POST', path, json })) as {
    proposed?: { id: string; needed: number };
    approves?: readonly string[];
    generation?: number;
    proved?: number;
  };
  const { proposed, approves = [], generation, proved } = answer;
  out.result(
    answer,
    proposed === undefined
      ? [`generation ${generation} is destroyed; the keys of ${proved} custodians open without it`]
      : [
          `proposed as ${proposed.id}; ${proposed.needed} who hold ${approves.join(' or ')} must grant it:`,
          `postseal approval grant ${proposed.id}`,
          `then: postseal key destroy ${args[0] ?? ''} --approval ${proposed.id}`,
          `an older backup opens then with the newest key state alone, which is written before, where there is a target`,
        ],
  );
  return exitCode.done;
}

async function inventory({ api, out }: CliCall): Promise<ExitCode> {
  const found = (await api.call({ method: 'GET', path: '/keys/inventory' })) as {
    readonly keys: readonly Readonly<Record<string, unknown>>[];
    readonly generations: readonly Readonly<Record<string, unknown>>[];
  };
  out.result(found, [
    ...found.keys.map(({ label, class: kind, usages, ...attributes }) => {
      const told = Object.entries(attributes).map(([name, value]) => `${name}=${String(value)}`);
      return `${String(kind)} ${String(label)}: ${(usages as string[]).join(', ')}; ${told.join(' ')}`;
    }),
    ...found.generations.map(
      ({ generation, state, custodianKeys, organisationKeys, groupKeys }) =>
        `generation ${String(generation)} ${String(state)}: custodian keys ${String(custodianKeys)}, organisation keys ${String(organisationKeys)}, group keys ${String(groupKeys)}`,
    ),
  ]);
  return exitCode.done;
}

async function reconcile({ api, out }: CliCall): Promise<ExitCode> {
  const done = (await api.call({ method: 'POST', path: '/keys/reconciliation' })) as {
    readonly rows: number;
    readonly keys: number;
    readonly findings: readonly Readonly<Record<string, unknown>>[];
  };
  const { rows, keys, findings } = done;
  out.result(done, [
    `keys handed out, in ${rows} parts: ${keys}`,
    `without an event that allows or explains them: ${findings.length}`,
    ...findings.map(
      ({ reason, kind, keyKind, custodian, keys: count }) =>
        `${String(reason)}: ${String(count)} ${String(keyKind)} ${String(kind)}, custodian ${String(custodian)}`,
    ),
  ]);
  return findings.length === 0 ? exitCode.done : exitCode.failure;
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
    verb: 'inventory',
    summary: 'List what lies in the token by its attributes, and what hangs under each generation',
    run: inventory,
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
  {
    noun: 'key',
    verb: 'destroy',
    summary:
      'Propose the destruction of a retired key generation, or carry it out once it is granted',
    arguments: [{ name: 'GENERATION', text: 'its number' }],
    options: { approval: { type: 'string', text: 'id of the granted approval', value: 'ID' } },
    run: destroy,
  },
  {
    noun: 'key',
    verb: 'serve',
    summary: 'Run the key service alone until Ctrl-C, for nodes on other machines',
    run: async ({ offline }) => (await offline.serveKeys()) as ExitCode,
  },
  {
    noun: 'key',
    verb: 'reconcile',
    summary: 'Compare the keys handed out since the last time with the ledger; exit 1 on a finding',
    run: reconcile,
  },
  {
    noun: 'key',
    verb: 'erasures',
    summary:
      'List erased records: when executed, when their keys were replaced, since when no key of the token opens an old copy',
    options: {
      record: { type: 'string', text: 'only this record', value: 'ID' },
      limit: { type: 'string', text: 'at most this many (default 100)', value: 'N' },
    },
    async run(call) {
      const query = { record: call.option('record'), limit: call.option('limit') };
      const rows = await call.api.call({ method: 'GET', path: '/keys/erasures', query });
      const columns = [
        ...['record', 'custodian', 'executedAt', 'keysReplacedAt', 'finalAt'],
        'ciphertextInBackupsSince',
      ];
      call.out.table(rows as object[], columns);
      call.out.note(
        'final as far as this token goes: an older copy of a software token, key file or home still opens',
      );
      return exitCode.done;
    },
  },
];
