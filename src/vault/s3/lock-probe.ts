// The requests of the lock test, which has to try by version what nobody else here may do.
import {
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectRetentionCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import type { UnixMs } from '../../kernel/time.ts';
import { createS3Client, type S3Place } from './s3-client.ts';
import { s3Failure, statusOf } from './s3-failure.ts';

export interface LockProbe {
  /** Version of the new object; undefined if the store made none or refused the lock. */
  putLocked(key: string, bytes: Uint8Array, until: UnixMs): Promise<string | undefined>;
  lockedUntil(key: string, version: string): Promise<UnixMs | undefined>;
  /** True if the store let us. */
  shorten(key: string, version: string, until: UnixMs): Promise<boolean>;
  /** True if the store let us. */
  removeVersion(key: string, version: string): Promise<boolean>;
  get(key: string, version: string): Promise<Buffer | undefined>;
  /** Versions below `folder` from before; what is locked still stays. */
  removeExpired(folder: string, before: UnixMs): Promise<void>;
  close(): void;
}

export function openLockProbe(place: S3Place): LockProbe {
  return new S3LockProbe(place, createS3Client(place));
}

class S3LockProbe implements LockProbe {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;

  constructor({ bucket, prefix }: S3Place, client: S3Client) {
    this.#client = client;
    this.#bucket = bucket;
    this.#prefix = prefix === '' ? '' : `${prefix}/`;
  }

  async putLocked(key: string, bytes: Uint8Array, until: UnixMs): Promise<string | undefined> {
    const put = new PutObjectCommand({
      ...this.#at(key),
      Body: bytes,
      ContentLength: bytes.length,
      ContentMD5: createHash('md5').update(bytes).digest('base64'),
      ObjectLockMode: 'COMPLIANCE',
      ObjectLockRetainUntilDate: wholeSecond(until),
    });
    const answer = await this.#answer('lock-test', () => this.#client.send(put));
    return answer?.VersionId;
  }

  async lockedUntil(key: string, version: string): Promise<UnixMs | undefined> {
    const get = new GetObjectRetentionCommand({ ...this.#at(key), VersionId: version });
    const answer = await this.#answer('lock-test', () => this.#client.send(get));
    const retention = answer?.Retention;
    if (retention?.Mode !== 'COMPLIANCE') return undefined;
    return retention.RetainUntilDate?.getTime() as UnixMs | undefined;
  }

  async shorten(key: string, version: string, until: UnixMs): Promise<boolean> {
    const put = new PutObjectRetentionCommand({
      ...this.#at(key),
      VersionId: version,
      BypassGovernanceRetention: true,
      Retention: { Mode: 'COMPLIANCE', RetainUntilDate: wholeSecond(until) },
    });
    return (await this.#answer('lock-test', () => this.#client.send(put))) !== undefined;
  }

  async removeVersion(key: string, version: string): Promise<boolean> {
    const remove = new DeleteObjectCommand({
      ...this.#at(key),
      VersionId: version,
      BypassGovernanceRetention: true,
    });
    return (await this.#answer('lock-test', () => this.#client.send(remove))) !== undefined;
  }

  async get(key: string, version: string): Promise<Buffer | undefined> {
    const get = new GetObjectCommand({ ...this.#at(key), VersionId: version });
    const answer = await this.#answer('lock-test', () => this.#client.send(get));
    const bytes = await answer?.Body?.transformToByteArray();
    return bytes === undefined ? undefined : Buffer.from(bytes);
  }

  async removeExpired(folder: string, before: UnixMs): Promise<void> {
    const list = new ListObjectVersionsCommand({
      Bucket: this.#bucket,
      Prefix: this.#prefix + folder,
    });
    const page = await this.#answer('lock-test', () => this.#client.send(list));
    for (const { Key, VersionId, LastModified } of page?.Versions ?? []) {
      if (Key === undefined || VersionId === undefined) continue;
      if (LastModified === undefined || LastModified.getTime() >= before) continue;
      await this.removeVersion(Key.slice(this.#prefix.length), VersionId);
    }
  }

  close(): void {
    this.#client.destroy();
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key };
  }

  /** Undefined where the store refuses; who does not answer at all has not refused anything. */
  async #answer<T>(operation: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      const status = statusOf(error);
      // 501 is a plain no: this store has no such operation.
      if (status === 501 || (status !== undefined && status >= 400 && status < 500)) {
        return undefined;
      }
      throw s3Failure(operation, error);
    }
  }
}

/** Stores keep whole seconds, and round as they like. */
const wholeSecond = (at: UnixMs): Date => new Date(Math.ceil(at / 1000) * 1000);
