// A multipart upload: each part carries its checksum and is confirmed; the object appears when all of it is
// there. What nobody completes is aborted by the sweep.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import type { Upload } from './object-store.ts';
import { isMissing, s3Failure } from './s3-failure.ts';

interface At {
  readonly Bucket: string;
  readonly Key: string;
}

export class S3Upload implements Upload {
  readonly #client: S3Client;
  readonly #at: At & { readonly UploadId: string };
  readonly #etags = new Map<number, string>();
  #ended = false;

  private constructor(client: S3Client, at: At & { readonly UploadId: string }) {
    this.#client = client;
    this.#at = at;
  }

  static async begin(client: S3Client, at: At): Promise<S3Upload> {
    const create = new CreateMultipartUploadCommand({
      ...at,
      ContentType: 'application/octet-stream',
    });
    const { UploadId } = await client.send(create);
    if (UploadId === undefined) throw new Error('an upload without an id');
    return new S3Upload(client, { ...at, UploadId });
  }

  async part(number: number, bytes: Uint8Array): Promise<void> {
    const upload = new UploadPartCommand({
      ...this.#at,
      PartNumber: number,
      Body: bytes,
      ContentLength: bytes.length,
      ContentMD5: createHash('md5').update(bytes).digest('base64'),
    });
    try {
      const { ETag } = await this.#client.send(upload);
      if (ETag === undefined) throw new Error('a part without a tag');
      this.#etags.set(number, ETag);
    } catch (error) {
      throw s3Failure('part', error);
    }
  }

  async complete(): Promise<void> {
    const Parts = [...this.#etags]
      .sort(([a], [b]) => a - b)
      .map(([PartNumber, ETag]) => ({ PartNumber, ETag }));
    try {
      await this.#client.send(
        new CompleteMultipartUploadCommand({ ...this.#at, MultipartUpload: { Parts } }),
      );
      this.#ended = true;
    } catch (error) {
      // A repetition of one that was heard and not answered: whoever waits reads the object back all the same.
      if (!isMissing(error) || !(await this.#isThere())) throw s3Failure('complete', error);
      this.#ended = true;
    }
  }

  async #isThere(): Promise<boolean> {
    const { Bucket, Key } = this.#at;
    return this.#client.send(new HeadObjectCommand({ Bucket, Key })).then(
      () => true,
      () => false,
    );
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    try {
      await this.#client.send(new AbortMultipartUploadCommand(this.#at));
    } catch (error) {
      if (!isMissing(error)) throw s3Failure('abort', error);
    }
  }
}
