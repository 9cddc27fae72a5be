// The objects of one bucket below one prefix, by the AWS SDK's client (docs/adr/0013-s3-client.md).
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { PostsealError } from '../../kernel/errors.ts';
import type { UnixMs } from '../../kernel/time.ts';
import type { ObjectAbout, ObjectStore } from './object-store.ts';
import { createS3Client, type S3Place } from './s3-client.ts';
import { isMissing, isNotImplemented, s3Failure, statusOf } from './s3-failure.ts';
import { S3Upload } from './s3-upload.ts';

/** Makes no connection before the first call. */
export function openS3Objects(place: S3Place): ObjectStore {
  return new S3Objects(place, createS3Client(place));
}

interface Version {
  readonly key: string;
  readonly version: string | undefined;
}

class S3Objects implements ObjectStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  #versioned: Promise<boolean> | undefined;

  constructor({ bucket, prefix }: S3Place, client: S3Client) {
    this.#client = client;
    this.#bucket = bucket;
    this.#prefix = prefix === '' ? '' : `${prefix}/`;
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const put = new PutObjectCommand({
      ...this.#at(key),
      Body: bytes,
      ContentLength: bytes.length,
      ContentType: 'application/octet-stream',
      // Every S3 knows the first; those that know the second check it too, and keep it.
      ContentMD5: createHash('md5').update(bytes).digest('base64'),
      ChecksumSHA256: createHash('sha256').update(bytes).digest('base64'),
    });
    await this.#try('put', () => this.#client.send(put));
  }

  async get(key: string, range?: { readonly from: number; readonly to: number }): Promise<Buffer> {
    if (range?.from === range?.to && range !== undefined) return Buffer.alloc(0);
    const get = {
      ...this.#at(key),
      ...(range === undefined ? {} : { Range: `bytes=${range.from}-${range.to - 1}` }),
    };
    try {
      const { Body } = await this.#client.send(new GetObjectCommand(get));
      const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
      // A store that knows no ranges answers with all of it.
      return range !== undefined && bytes.length > range.to - range.from
        ? bytes.subarray(range.from, range.to)
        : bytes;
    } catch (error) {
      // The range begins behind the end.
      if (statusOf(error) === 416) return Buffer.alloc(0);
      throw s3Failure('get', error);
    }
  }

  async about(key: string): Promise<ObjectAbout | undefined> {
    try {
      const head = await this.#client.send(new HeadObjectCommand(this.#at(key)));
      return aboutOf(key, head.ContentLength, head.LastModified);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw s3Failure('head', error);
    }
  }

  async *list(folder: string): AsyncGenerator<ObjectAbout, void, undefined> {
    let from: string | undefined;
    do {
      const list = new ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: this.#prefix + folder,
        ...(from === undefined ? {} : { ContinuationToken: from }),
      });
      const page = await this.#try('list', () => this.#client.send(list));
      for (const { Key, Size, LastModified } of page.Contents ?? []) {
        if (Key !== undefined) yield aboutOf(this.#nameOf(Key), Size, LastModified);
      }
      from = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (from !== undefined);
  }

  async remove(key: string): Promise<void> {
    const versions = await this.#versionsOf(key);
    for (const { version } of versions) {
      const versionId = version === undefined ? {} : { VersionId: version };
      try {
        await this.#client.send(new DeleteObjectCommand({ ...this.#at(key), ...versionId }));
      } catch (error) {
        if (isMissing(error)) continue;
        if (statusOf(error) === 403 && (await this.lockedUntil(key)) !== undefined) {
          throw new PostsealError('store.locked', { key }, error);
        }
        throw s3Failure('delete', error);
      }
    }
  }

  upload(key: string): Promise<S3Upload> {
    return this.#try('upload', () => S3Upload.begin(this.#client, this.#at(key)));
  }

  async abortUploads(folder: string, before: UnixMs): Promise<number> {
    const list = new ListMultipartUploadsCommand({
      Bucket: this.#bucket,
      Prefix: this.#prefix + folder,
    });
    let aborted = 0;
    try {
      // One page a run is enough: the next run finds the rest.
      for (const { Key, UploadId, Initiated } of (await this.#client.send(list)).Uploads ?? []) {
        if (Key === undefined || Initiated === undefined || Initiated.getTime() >= before) continue;
        await this.#client.send(
          new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key, UploadId }),
        );
        aborted += 1;
      }
    } catch (error) {
      // Where uploads cannot be listed, the rules of the bucket have to end them (docs/formats/s3.md).
      if (isNotImplemented(error) || isMissing(error)) return aborted;
      throw s3Failure('list-uploads', error);
    }
    return aborted;
  }

  async lock(key: string, until: UnixMs): Promise<void> {
    // Stores keep whole seconds: the end is never earlier than what was asked.
    const end = new Date(Math.ceil(until / 1000) * 1000);
    const lock = new PutObjectRetentionCommand({
      ...this.#at(key),
      Retention: { Mode: 'COMPLIANCE', RetainUntilDate: end },
    });
    await this.#try('lock', () => this.#client.send(lock));
    const found = await this.lockedUntil(key);
    if (found === undefined || found < until) {
      throw new PostsealError('config.store-lock', { what: 'the lock is not there afterwards' });
    }
  }

  async lockedUntil(key: string): Promise<UnixMs | undefined> {
    try {
      const { Retention } = await this.#client.send(new GetObjectRetentionCommand(this.#at(key)));
      if (Retention?.Mode !== 'COMPLIANCE') return undefined;
      return Retention.RetainUntilDate?.getTime() as UnixMs | undefined;
    } catch (error) {
      // 400: this bucket or this object has no retention.
      const status = statusOf(error);
      if (status === 404 || status === 400 || status === 405 || isNotImplemented(error)) {
        return undefined;
      }
      throw s3Failure('get-retention', error);
    }
  }

  close(): void {
    this.#client.destroy();
  }

  /** In a bucket with versions a plain deletion would only hide the bytes. */
  async #versionsOf(key: string): Promise<readonly Version[]> {
    this.#versioned ??= this.#isVersioned();
    let versioned: boolean;
    try {
      versioned = await this.#versioned;
    } catch (error) {
      this.#versioned = undefined;
      throw s3Failure('versioning', error);
    }
    if (!versioned) return [{ key, version: undefined }];
    const list = new ListObjectVersionsCommand({
      Bucket: this.#bucket,
      Prefix: this.#prefix + key,
    });
    const page = await this.#try('list-versions', () => this.#client.send(list));
    return [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])]
      .filter(({ Key }) => Key === this.#prefix + key)
      .map(({ VersionId }) => ({ key, version: VersionId }));
  }

  async #isVersioned(): Promise<boolean> {
    const get = new GetBucketVersioningCommand({ Bucket: this.#bucket });
    try {
      return (await this.#client.send(get)).Status !== undefined;
    } catch (error) {
      if (isNotImplemented(error)) return false;
      throw error;
    }
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key };
  }

  #nameOf(key: string): string {
    return key.slice(this.#prefix.length);
  }

  async #try<T>(operation: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw s3Failure(operation, error);
    }
  }
}

function aboutOf(key: string, bytes = 0, changed = new Date(0)): ObjectAbout {
  return { key, bytes, changedAt: changed.getTime() as UnixMs };
}
