// A client that was away comes back to a mailbox of 100,000 messages and asks what changed (RFC 7162
// §3.2.5). The mailbox is filled once a server by COPY, which both servers do without storing bodies again.
import { LoadClient } from '../imap-client.ts';
import type { Target, Workload } from '../workload.ts';

const messages = 100_000;
/** What changed while the client was away. */
const flagged = 100;
const expunged = 50;

interface Away {
  readonly uidValidity: string;
  readonly modSeq: string;
}

const filled = new Map<Target, Promise<Away>>();

async function ok(client: LoadClient, line: string): Promise<readonly string[]> {
  const reply = await client.command(line);
  if (reply.status !== 'OK') throw new Error(`${line}: ${reply.line}`);
  return [...reply.untagged, reply.line];
}

function code(lines: readonly string[], name: string): string {
  const found = lines
    .map((line) => new RegExp(`\\[${name} (\\d+)\\]`, 'u').exec(line)?.[1])
    .find((value) => value !== undefined);
  if (found === undefined) throw new Error(`no ${name} in the answer`);
  return found;
}

async function fill(target: Target): Promise<Away> {
  const user = target.users[0]!;
  const client = await LoadClient.connect(target.imap);
  await client.login(user.name, user.password);
  await ok(client, 'ENABLE QRESYNC');
  await ok(client, 'CREATE Big');
  await ok(client, 'SELECT INBOX');
  let have = 200;
  await ok(client, `COPY 1:${have} Big`);
  await ok(client, 'SELECT Big');
  for (; have < messages; have = Math.min(2 * have, messages)) {
    await ok(client, `COPY 1:${Math.min(have, messages - have)} Big`);
    await ok(client, 'NOOP');
  }
  const before = await ok(client, 'SELECT Big');
  const away = {
    uidValidity: code(before, 'UIDVALIDITY'),
    modSeq: code(before, 'HIGHESTMODSEQ'),
  };
  await ok(client, `STORE 1:${flagged} +FLAGS ($Away)`);
  await ok(client, `STORE ${flagged + 1}:${flagged + expunged} +FLAGS (\\Deleted)`);
  await ok(client, 'EXPUNGE');
  await client.logout();
  return away;
}

export const resync: Workload = {
  name: 'QRESYNC of 100,000',
  unit: 'syncs/s',
  async open({ target }) {
    let filling = filled.get(target);
    if (filling === undefined) filled.set(target, (filling = fill(target)));
    const { uidValidity, modSeq } = await filling;
    const user = target.users[0]!;
    const client = await LoadClient.connect(target.imap);
    await client.login(user.name, user.password);
    await ok(client, 'ENABLE QRESYNC');
    return {
      async step() {
        const lines = await ok(client, `SELECT Big (QRESYNC (${uidValidity} ${modSeq}))`);
        const fetches = lines.filter((line) => line.includes(' FETCH ')).length;
        const vanished = lines.some((line) => line.startsWith('* VANISHED (EARLIER) '));
        if (fetches !== flagged || !vanished) {
          throw new Error(`resync: ${fetches} changed, vanished ${vanished}`);
        }
      },
      close: () => client.logout(),
    };
  },
};
