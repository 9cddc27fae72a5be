// Postseal beside Debian's Dovecot with mail_crypt, one load generator, one run, turn by turn
// (A B A B), and the ratio. Usage: node bench/compare.ts [--seconds 5] [--rounds 2] [--clients 20]
// [--only NAME] [--peer-only] [--json FILE]
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { LoadClient } from './load/imap-client.ts';
import { loadMessages, unique } from './load/messages.ts';
import { inboxMessages } from './load/workloads/mailbox-commands.ts';
import { measure, type Measured, type Target } from './load/workload.ts';
import { workloads } from './load/workloads/index.ts';
import { startDovecot } from './peers/dovecot.ts';
import type { Peer } from './peers/peer.ts';
import { startPostseal } from './peers/postseal.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '2' },
    clients: { type: 'string', default: '20' },
    only: { type: 'string' },
    'peer-only': { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const users = 20;

async function fill(target: Target, messages: readonly Buffer[]): Promise<void> {
  await Promise.all(
    target.users.map(async (user, u) => {
      const client = await LoadClient.connect(target.imap);
      await client.login(user.name, user.password);
      for (let i = 0; i < inboxMessages; i += 1) {
        const reply = await client.append(
          'INBOX',
          unique(messages[(u * 7 + i) % messages.length]!),
        );
        if (reply.status !== 'OK') throw new Error(reply.line);
      }
      await client.logout();
    }),
  );
}

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)] ?? NaN;

function row(name: string, unit: string, results: readonly (readonly Measured[])[]): string {
  const rate = results.map((rounds) => median(rounds.map((m) => m.perSecond)));
  const wait = results.map((rounds) => median(rounds.map((m) => m.medianMs)));
  const cells = rate.map((r, i) => `${r.toFixed(r < 100 ? 1 : 0)} (${wait[i]!.toFixed(1)} ms)`);
  const ratio = rate.length === 2 ? (rate[0]! / rate[1]!).toFixed(2) : '–';
  return `| ${name} | ${unit} | ${cells.join(' | ')} | ${ratio} |`;
}

const { messages, meanBytes, source } = loadMessages();
const peers: Peer[] = [];
try {
  if (!values['peer-only']) peers.push(await startPostseal(users));
  peers.push(await startDovecot(users));
  for (const peer of peers) await fill(peer.target, messages);
  console.log(
    `${messages.length} messages of ${source}, mean ${meanBytes} octets, each made unique`,
  );
  console.log(
    `${values.clients} clients, ${users} users, ${values.rounds} rounds of ${values.seconds} s, median round`,
  );
  console.log(`| workload | unit | ${peers.map((p) => p.target.name).join(' | ')} | ratio |`);
  console.log(`|---|---|${peers.map(() => '---|').join('')}---|`);
  const report: Record<string, Measured[][]> = {};
  for (const workload of workloads) {
    if (values.only !== undefined && !workload.name.includes(values.only)) continue;
    const results: Measured[][] = peers.map(() => []);
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const [i, peer] of peers.entries()) {
        const clients = Number(values.clients);
        const run = { target: peer.target, messages, clients, seconds: Number(values.seconds) };
        results[i]!.push(await measure(workload, run));
      }
    }
    report[workload.name] = results;
    console.log(row(workload.name, workload.unit, results));
  }
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(report, null, 2));
} finally {
  for (const peer of peers) await peer.stop();
}
