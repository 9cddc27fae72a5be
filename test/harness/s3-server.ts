// An S3 server of a test's own on the loopback, in a process that can go away and come back on its port.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret } from '../../src/kernel/secret.ts';
import type { S3Place } from '../../src/vault/s3/s3-client.ts';

/** The account that s3rver knows. */
export const s3Account = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };
const bucket = 'bodies';

export interface S3Server {
  readonly endpoint: string;
  readonly bucket: string;
  /** Where its objects lie below a prefix. */
  place(prefix: string): S3Place;
  /** kill -9; what it has answered is on its disk. */
  away(): Promise<void>;
  back(): Promise<void>;
  close(): Promise<void>;
}

/** Where the objects of a server lie below a prefix. */
export function s3PlaceAt(endpoint: string, prefix: string): S3Place {
  return {
    endpoint,
    region: 'us-east-1',
    bucket,
    prefix,
    pathStyle: true,
    accessKeyId: Secret.fromText(s3Account.accessKeyId),
    secretAccessKey: Secret.fromText(s3Account.secretAccessKey),
  };
}

export async function startS3Server(): Promise<S3Server> {
  const folder = mkdtempSync(join(tmpdir(), 'postseal-s3-'));
  const path = join(import.meta.dirname, 's3-child.ts');
  let child: ChildProcess | undefined;
  let port = 0;
  const back = async (): Promise<void> => {
    const started = spawn(process.execPath, [path, folder, String(port), bucket], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child = started;
    port = await new Promise<number>((done, fail) => {
      started.stdout.once('data', (chunk: Buffer) => done(Number(chunk.toString())));
      started.once('exit', (code) => fail(new Error(`s3rver ended with ${code}`)));
    });
  };
  const away = async (): Promise<void> => {
    const ending = child;
    if (ending === undefined) return;
    child = undefined;
    await new Promise((done) => {
      ending.once('exit', done);
      ending.kill('SIGKILL');
    });
  };
  await back();
  const endpoint = `http://127.0.0.1:${port}`;
  return {
    endpoint,
    bucket,
    place: (prefix) => s3PlaceAt(endpoint, prefix),
    away,
    back,
    close: async () => {
      await away();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
