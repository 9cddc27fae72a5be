// Commands on a mailbox of 200 messages that `bench/compare.ts` filled before.
import { LoadClient, type Reply } from '../imap-client.ts';
import type { Workload, WorkloadRun } from '../workload.ts';

/** Messages in each user's INBOX before the reading workloads start. */
export const inboxMessages = 200;

async function selected({ target }: WorkloadRun, index: number): Promise<LoadClient> {
  const user = target.users[index % target.users.length]!;
  const client = await LoadClient.connect(target.imap);
  await client.login(user.name, user.password);
  await client.command('SELECT INBOX');
  return client;
}

function mailboxWorkload(
  name: string,
  unit: string,
  command: (step: number) => string,
  check: (reply: Reply) => boolean,
): Workload {
  return {
    name,
    unit,
    async open(run, index) {
      const client = await selected(run, index);
      let step = index * 13;
      return {
        async step() {
          step += 1;
          const reply = await client.command(command(step));
          if (reply.status !== 'OK' || !check(reply)) throw new Error(`${name}: ${reply.line}`);
        },
        close: () => client.logout(),
      };
    },
  };
}

const one = (step: number): number => (step % inboxMessages) + 1;
const fetched = (reply: Reply, n: number): boolean =>
  reply.untagged.filter((line) => line.includes(' FETCH ')).length >= n;

export const selectSync: Workload = {
  name: 'SELECT + flag sync of 200',
  unit: 'syncs/s',
  async open(run, index) {
    const client = await selected(run, index);
    return {
      async step() {
        await client.command('SELECT INBOX');
        const reply = await client.command('FETCH 1:200 (UID FLAGS)');
        if (!fetched(reply, inboxMessages)) throw new Error(`sync: ${reply.line}`);
      },
      close: () => client.logout(),
    };
  },
};

export const fetchHeaders = mailboxWorkload(
  'FETCH 1:200 five header fields',
  'commands/s',
  () => 'FETCH 1:200 (UID BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE MESSAGE-ID)])',
  (reply) => fetched(reply, inboxMessages),
);

export const fetchBodies = mailboxWorkload(
  'FETCH BODY.PEEK[]',
  'messages/s',
  (step) => `FETCH ${one(step)} BODY.PEEK[]`,
  (reply) => fetched(reply, 1) && reply.bytes > 4_096,
);

export const storeFlags = mailboxWorkload(
  'STORE one message',
  'commands/s',
  (step) => `STORE ${one(step)} ${step % 2 === 0 ? '+' : '-'}FLAGS (\\Flagged)`,
  () => true,
);

export const searchBody = mailboxWorkload(
  'SEARCH BODY word, 200 messages',
  'searches/s',
  (step) =>
    `SEARCH 1:${inboxMessages} BODY "${['patch', 'kernel', 'meeting', 'nonesuch'][step % 4]!}"`,
  (reply) => reply.untagged.some((line) => line.startsWith('* SEARCH')),
);
