// Debian's Postfix as a private instance in a scratch folder, handing mail for example.com to LMTP.
// Needs root, since Postfix changes its users.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../bench/peers/dovecot.ts';

export interface Postfix {
  /** Port of its SMTP listener on the loopback. */
  readonly smtp: number;
  /** Messages that still wait in its queue. */
  queued(): number;
  log(): string;
  /** Tries everything in the queue now. */
  flush(): void;
  stop(): void;
}

const programs = '/usr/lib/postfix/sbin';

async function answers(port: number): Promise<void> {
  for (let i = 0; ; i += 1) {
    const up = await new Promise<boolean>((done) => {
      const socket = net.connect(port, '127.0.0.1', () => {
        socket.destroy();
        done(true);
      });
      socket.on('error', () => done(false));
    });
    if (up) return;
    if (i > 100) throw new Error('postfix does not answer');
    await new Promise((r) => setTimeout(r, 100));
  }
}

export async function startPostfix(lmtpPort: number): Promise<Postfix> {
  const base = mkdtempSync(join(tmpdir(), 'postseal-postfix-'));
  chmodSync(base, 0o755);
  const smtp = await freePort();
  for (const folder of ['etc', 'queue', 'data']) mkdirSync(join(base, folder));
  execFileSync('chown', ['postfix', join(base, 'data')]);
  cpSync('/etc/postfix/dynamicmaps.cf', join(base, 'etc/dynamicmaps.cf'));
  cpSync('/etc/postfix/postfix-files', join(base, 'etc/postfix-files'));
  const log = join(base, 'mail.log');
  writeFileSync(
    join(base, 'etc/main.cf'),
    `compatibility_level = 3.6
queue_directory = ${base}/queue
data_directory = ${base}/data
command_directory = /usr/sbin
daemon_directory = ${programs}
maillog_file = ${log}
maillog_file_prefixes = ${base}
myhostname = mx.example.com
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
virtual_mailbox_domains = example.com
virtual_mailbox_maps = static:all
virtual_transport = lmtp:inet:127.0.0.1:${lmtpPort}
message_size_limit = 104857600
virtual_mailbox_limit = 0
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
`,
  );
  const master = readFileSync('/etc/postfix/master.cf', 'utf8')
    .replace(/^smtp\s+inet.*$/m, `127.0.0.1:${smtp} inet n - n - - smtpd`)
    .replace(/^(\w+\s+(?:unix|inet|fifo)\s+\S+\s+\S+\s+)y(\s)/gm, '$1n$2');
  writeFileSync(join(base, 'etc/master.cf'), master);
  const postfix = (...args: string[]): Buffer =>
    execFileSync('postfix', ['-c', join(base, 'etc'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  postfix('start');
  await answers(smtp);
  return {
    smtp,
    queued() {
      const out = execFileSync('postqueue', ['-c', join(base, 'etc'), '-j'], { encoding: 'utf8' });
      return out.split('\n').filter((line) => line !== '').length;
    },
    log: () => readFileSync(log, 'utf8'),
    flush: () => void postfix('flush'),
    stop() {
      postfix('stop');
      rmSync(base, { recursive: true, force: true });
    },
  };
}
