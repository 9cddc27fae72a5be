// Debian's Dovecot as a private instance in a scratch folder: mail_crypt with a global EC key, zstd,
// mdbox, fsync on APPEND. What it does not do stands in docs/performance.md beside every comparison.
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LoadClient } from '../load/imap-client.ts';
import type { Peer } from './peer.ts';

/** A port of the loopback that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        resolve(typeof address === 'object' && address !== null ? address.port : 0),
      );
    });
  });
}

function id(flag: string, name: string): number {
  return Number(execFileSync('id', [flag, name], { encoding: 'utf8' }).trim());
}

interface Ports {
  readonly imap: number;
  readonly imaps: number;
  readonly lmtp: number;
}

function configuration(base: string, ports: Ports, crypt: boolean): string {
  const plugins = crypt ? 'mail_crypt zlib' : 'zlib';
  return `
base_dir = ${base}/run
state_dir = ${base}/state
log_path = ${base}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <${base}/cert.pem
ssl_key = <${base}/key.pem
ssl_min_protocol = TLSv1.3
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_cache_size = 10M
auth_failure_delay = 0
first_valid_uid = 1
mail_uid = dovecot
mail_gid = dovecot
default_internal_user = dovecot
default_login_user = dovenull
mail_location = mdbox:~/mdbox
mdbox_rotate_size = 10M
mail_fsync = optimized
mail_plugins = ${plugins}
mail_max_userip_connections = 1000
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u ${base}/users
}
userdb {
  driver = passwd-file
  args = username_format=%u ${base}/users
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Drafts {
    auto = create
    special_use = \\Drafts
  }
  mailbox Archive {
    auto = create
    special_use = \\Archive
  }
}
plugin {
  zlib_save = zstd
  zlib_save_level = 3
${crypt ? `  mail_crypt_global_private_key = <${base}/ec-private.pem\n  mail_crypt_global_public_key = <${base}/ec-public.pem\n  mail_crypt_save_version = 2` : ''}
}
service imap-login {
  service_count = 0
  process_min_avail = 2
  inet_listener imap {
    port = ${ports.imap}
  }
  inet_listener imaps {
    port = ${ports.imaps}
    ssl = yes
  }
}
service imap {
  service_count = 200
  process_limit = 1000
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${ports.lmtp}
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  client_limit = 2000
}
`;
}

/** Starts Dovecot with `users` users; needs root, since Dovecot changes its user. */
export async function startDovecot(users: number, crypt = true): Promise<Peer> {
  const base = mkdtempSync(join(tmpdir(), 'postseal-bench-dovecot-'));
  chmodSync(base, 0o755);
  const ports = { imap: await freePort(), imaps: await freePort(), lmtp: await freePort() };
  const openssl = (...args: string[]): Buffer =>
    execFileSync('openssl', args, { cwd: base, stdio: ['ignore', 'pipe', 'ignore'] });
  openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'key.pem');
  openssl(
    'req',
    '-new',
    '-x509',
    '-key',
    'key.pem',
    '-out',
    'cert.pem',
    '-days',
    '30',
    '-subj',
    '/CN=localhost',
  );
  // mail_crypt reads PKCS#8, not the older EC PRIVATE KEY form.
  const curve = 'ec_paramgen_curve:prime256v1';
  openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', curve, '-out', 'ec-private.pem');
  openssl('ec', '-in', 'ec-private.pem', '-pubout', '-out', 'ec-public.pem');
  const [uid, gid] = [id('-u', 'dovecot'), id('-g', 'dovecot')];
  chownSync(join(base, 'ec-private.pem'), uid, gid);
  const accounts = Array.from({ length: users }, (_, i) => ({
    name: `bench${i}@example.com`,
    password: `bench password of user ${i}`.replaceAll(' ', '-'),
  }));
  const rows = accounts.map(({ name, password }) => {
    const home = join(base, 'mail', name);
    mkdirSync(home, { recursive: true });
    chownSync(home, uid, gid);
    return `${name}:{PLAIN}${password}:${uid}:${gid}::${home}`;
  });
  writeFileSync(join(base, 'users'), `${rows.join('\n')}\n`, { mode: 0o644 });
  writeFileSync(join(base, 'dovecot.conf'), configuration(base, ports, crypt));
  const child = spawn('dovecot', ['-F', '-c', join(base, 'dovecot.conf')], { stdio: 'ignore' });
  const at = (port: number, tls: boolean) => ({ host: '127.0.0.1', port, tls });
  const target = {
    name: crypt ? 'Dovecot mail_crypt' : 'Dovecot plain',
    imap: at(ports.imap, false),
    imaps: at(ports.imaps, true),
    lmtp: { host: '127.0.0.1', port: ports.lmtp },
    users: accounts,
  };
  for (let i = 0; ; i += 1) {
    try {
      const client = await LoadClient.connect(target.imap);
      await client.login(accounts[0]!.name, accounts[0]!.password);
      await client.logout();
      break;
    } catch (error) {
      if (i > 50 || child.exitCode !== null) {
        child.kill('SIGTERM');
        throw error;
      }
      await new Promise((r) => setTimeout(r, 100));
    }
  }
  return {
    target,
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
      rmSync(base, { recursive: true, force: true });
    },
  };
}
