// A Ceph of its own on the loopback: one monitor, one manager, one OSD in memory and the S3 gateway. The one
// server of Debian with an Object Lock that locks. Needs ceph-mon, ceph-mgr, ceph-osd and radosgw; no root.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { Secret } from '../../src/kernel/secret.ts';
import type { S3Place } from '../../src/vault/s3/s3-client.ts';
import { until } from '../harness/until.ts';

export const cephPrograms = ['monmaptool', 'ceph-mon', 'ceph-mgr', 'ceph-osd', 'ceph', 'radosgw'];

const account = { accessKeyId: 'POSTSEAL', secretAccessKey: 'postseal-for-tests-only' };
const bucket = 'bodies';

export interface Ceph {
  readonly endpoint: string;
  place(prefix: string): S3Place;
  /** kill -9 of the gateway. */
  away(): Promise<void>;
  back(): Promise<void>;
  close(): Promise<void>;
}

const run = promisify(execFile);

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((done) => {
          const server = createServer().listen(0, '127.0.0.1', () => done(server));
        }),
    ),
  );
  return Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((done) => {
          const address = server.address();
          server.close(() => done(typeof address === 'object' ? (address?.port ?? 0) : 0));
        }),
    ),
  );
}

function configuration(folder: string, fsid: string, ports: readonly number[]): string {
  const [v2 = 0, v1 = 0, s3 = 0] = ports;
  return `[global]
fsid = ${fsid}
mon host = [v2:127.0.0.1:${v2},v1:127.0.0.1:${v1}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 2147483648
run dir = ${folder}
log file = ${folder}/$name.log
admin socket = ${folder}/$name.asok
keyring = ${folder}/keyring
mon data = ${folder}/mon
mgr data = ${folder}/mgr
osd data = ${folder}/osd
rgw frontends = beast endpoint=127.0.0.1:${s3}
`;
}

export async function startCeph(): Promise<Ceph> {
  const folder = mkdtempSync(join(tmpdir(), 'postseal-ceph-'));
  const fsid = randomUUID();
  const ports = await freePorts(3);
  const endpoint = `http://127.0.0.1:${ports[2]}`;
  writeFileSync(join(folder, 'ceph.conf'), configuration(folder, fsid, ports));
  writeFileSync(join(folder, 'keyring'), '');
  for (const name of ['mon', 'mgr', 'osd']) mkdirSync(join(folder, name));
  const env = { ...process.env, CEPH_CONF: join(folder, 'ceph.conf') };
  const children = new Set<ChildProcess>();
  const start = (program: string, ...args: readonly string[]): ChildProcess => {
    const out = openSync(join(folder, `${program}.out`), 'a');
    const child = spawn(program, args, { env, stdio: ['ignore', out, out] });
    closeSync(out);
    children.add(child);
    child.once('exit', () => children.delete(child));
    return child;
  };
  const kill = (child: ChildProcess): Promise<void> =>
    new Promise((done) => {
      child.once('exit', () => done());
      child.kill('SIGKILL');
    });

  const map = join(folder, 'monmap');
  const at = `[v2:127.0.0.1:${ports[0]},v1:127.0.0.1:${ports[1]}]`;
  await run('monmaptool', ['--create', '--fsid', fsid, '--addv', 'a', at, map], { env });
  await run('ceph-mon', ['--mkfs', '-i', 'a', '--monmap', map], { env });
  start('ceph-mon', '-i', 'a', '-f');
  start('ceph-mgr', '-i', 'x', '-f');
  const osd = randomUUID();
  await run('ceph', ['osd', 'new', osd], { env });
  await run('ceph-osd', ['-i', '0', '--mkfs', '--osd-uuid', osd], { env });
  start('ceph-osd', '-i', '0', '-f');
  const user = ['user', 'create', '--uid', 'test', '--display-name', 'test'];
  const keys = ['--access-key', account.accessKeyId, '--secret', account.secretAccessKey];
  await run('radosgw-admin', ['-n', 'client.rgw', ...user, ...keys], { env });

  let gateway: ChildProcess | undefined;
  const back = async (): Promise<void> => {
    gateway = start('radosgw', '-f', '-n', 'client.rgw');
    await until(() =>
      fetch(endpoint).then(
        (answer) => answer.ok,
        () => false,
      ),
    );
  };
  await back();
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: account,
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }));
  client.destroy();
  return {
    endpoint,
    place: (prefix) => ({
      endpoint,
      region: 'us-east-1',
      bucket,
      prefix,
      pathStyle: true,
      accessKeyId: Secret.fromText(account.accessKeyId),
      secretAccessKey: Secret.fromText(account.secretAccessKey),
    }),
    async away() {
      if (gateway !== undefined) await kill(gateway);
      gateway = undefined;
    },
    back,
    async close() {
      await Promise.all([...children].map((child) => kill(child)));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
