// The default mix of ImapTest, Dovecot's own load generator, against Postseal and Dovecot with mail_crypt,
// turn by turn in one run, and the ratio of all commands. ImapTest is no Debian package: build it and name
// the program in IMAPTEST. Usage: IMAPTEST=PATH node bench/imaptest.ts [--seconds 10] [--rounds 3]
// [--clients 50] [--users 20]
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadMessages } from './load/messages.ts';
import type { Target } from './load/workload.ts';
import { startDovecot } from './peers/dovecot.ts';
import type { Peer } from './peers/peer.ts';
import { startPostseal } from './peers/postseal.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    clients: { type: 'string', default: '50' },
    users: { type: 'string', default: '20' },
  },
});
const program = process.env['IMAPTEST'];
if (program === undefined) throw new Error('IMAPTEST must name the imaptest program');
/** Messages in the file that ImapTest appends from. */
const sampleMessages = 400;

/** Classic mbox with LF and `>From ` quoting, which is what ImapTest reads. */
function mboxOf(messages: readonly Buffer[]): string {
  return messages
    .slice(0, sampleMessages)
    .map((message) => message.toString('latin1').replaceAll('\r\n', '\n'))
    .map((text) => `From a@b Thu Jan  1 00:00:00 2020\n${text.replace(/^(>*From )/gm, '>$1')}\n\n`)
    .join('');
}

interface Answer {
  readonly perSecond: number;
  /** Lines that ImapTest calls an error. */
  readonly errors: readonly string[];
}

function run(target: Target, folder: string): Promise<Answer> {
  const users = target.users.map(({ name, password }) => `${name}:${password}\n`).join('');
  writeFileSync(join(folder, 'users'), users);
  const options = [
    `host=${target.imap.host}`,
    `port=${target.imap.port}`,
    // A template is wanted beside the file and not used.
    'user=unused',
    `userfile=${join(folder, 'users')}`,
    `mbox=${join(folder, 'mbox')}`,
    `clients=${values.clients}`,
    `secs=${values.seconds}`,
    'no_tracking',
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(program ?? '', options, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    const take = (piece: Buffer): void => {
      text += piece.toString('latin1');
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('close', () => {
      const lines = text.trim().split('\n');
      const totals = lines.at(-1) ?? '';
      if (!/^[\d ]+$/.test(totals)) {
        reject(new Error(`imaptest gave no totals:\n${lines.slice(-5).join('\n')}`));
        return;
      }
      const commands = totals
        .trim()
        .split(/ +/)
        .reduce((sum, n) => sum + Number(n), 0);
      const errors = lines.filter((line) => line.startsWith('Error'));
      resolve({ perSecond: commands / Number(values.seconds), errors });
    });
  });
}

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)] ?? NaN;

const { messages } = loadMessages();
const folder = mkdtempSync(join(tmpdir(), 'postseal-imaptest-'));
const peers: Peer[] = [];
try {
  writeFileSync(join(folder, 'mbox'), mboxOf(messages), 'latin1');
  peers.push(await startPostseal(Number(values.users)));
  peers.push(await startDovecot(Number(values.users)));
  const rates: number[][] = peers.map(() => []);
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const [i, { target }] of peers.entries()) {
      const { perSecond, errors } = await run(target, folder);
      rates[i]?.push(perSecond);
      const told = errors.length === 0 ? '' : `, ${errors.length} errors: ${errors[0]}`;
      console.log(`round ${round + 1}: ${target.name} ${perSecond.toFixed(0)} commands/s${told}`);
    }
  }
  const [ours = NaN, theirs = NaN] = rates.map(median);
  console.log(
    `median: ${ours.toFixed(0)} and ${theirs.toFixed(0)}, ratio ${(ours / theirs).toFixed(2)}`,
  );
} finally {
  for (const peer of peers) await peer.stop();
  rmSync(folder, { recursive: true, force: true });
}
