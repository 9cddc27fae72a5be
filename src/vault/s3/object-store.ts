// What a body store or a backup needs of an object store: whole objects, ranges, lists, multipart uploads
// and retention. A port, so that every key, retry and error of S3 has one home (s3-objects.ts).
import type { UnixMs } from '../../kernel/time.ts';

export interface ObjectAbout {
  readonly key: string;
  readonly bytes: number;
  /** By the clock of the store. */
  readonly changedAt: UnixMs;
}

/** An upload in parts. Parts count from 1, may come in any order, and all but the last hold 5 MiB or more. */
export interface Upload {
  part(number: number, bytes: Uint8Array): Promise<void>;
  /** The object is there when it resolves. */
  complete(): Promise<void>;
  /** Idempotent. */
  abort(): Promise<void>;
}

/**
 * Keys are without the configured prefix. Failures are PostsealErrors: `store.unreachable` when the service
 * is away, slow, or refuses us, after retries; `store.object-missing` for a key that is not there.
 */
export interface ObjectStore {
  /** Writes a new object. Keys are never used twice, so a retry writes the same bytes again. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** All of it, or octets `from` to `to` (exclusive): fewer only where the object ends before. */
  get(key: string, range?: { readonly from: number; readonly to: number }): Promise<Buffer>;
  /** Undefined if there is no such object. */
  about(key: string): Promise<ObjectAbout | undefined>;
  /** In order of key. */
  list(folder: string): AsyncGenerator<ObjectAbout, void, undefined>;
  /** Deletes every version of it; idempotent. Rejects with `store.locked` while one is under a lock. */
  remove(key: string): Promise<void>;
  upload(key: string): Promise<Upload>;
  /** Aborts uploads below `folder` that began before; answers how many. */
  abortUploads(folder: string, before: UnixMs): Promise<number>;
  /** Compliance mode: nobody can delete or shorten it before. Rejects unless the store confirms it. */
  lock(key: string, until: UnixMs): Promise<void>;
  /** End of the lock of an object; undefined without one. */
  lockedUntil(key: string): Promise<UnixMs | undefined>;
  close(): void;
}
