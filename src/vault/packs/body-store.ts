// The port of everything that keeps sealed bodies: packs on disk, objects in an S3 store. It sees ciphertext
// only. What each of them promises is test/contract/body-store.contract.ts. Documents: docs/formats/pack.md,
// docs/formats/s3.md.
import type { PackId } from '../../kernel/ids.ts';
import type { UnixMs } from '../../kernel/time.ts';
import type { FrameKind } from '../formats/pack.ts';
import type { PackFinding, ScanItem } from './scan-pack.ts';

/** Where a body lies; kept with the content in the database. */
export interface PackRef {
  readonly pack: PackId;
  /** Of the frame's first byte in the pack. */
  readonly offset: number;
  /** Octets of the body (the frame's payload). */
  readonly length: number;
  /** Digest of the frame, 32 bytes: SHA-256(payload ‖ frame prefix). */
  readonly sha256: Buffer;
}

/** What a new frame holds. */
export interface FrameObject {
  readonly objectId: string;
  /** Default `body`. */
  readonly kind?: FrameKind;
}

/** One body that is written in pieces. Exactly one of `finish` and `abort` ends it. */
export interface BodyStream {
  /**
   * Resolves when the store can take more; `piece` may be used for something else then. Rejects like
   * `BodyStore.sync`. Calls follow one another, never overlap.
   */
  write(piece: Uint8Array): Promise<void>;
  /** Resolves when all of it is durable. */
  finish(): Promise<PackRef>;
  /** Removes what was written; idempotent, also after a failed `write`. */
  abort(): Promise<void>;
}

/** A pack as compaction sees it. */
export interface PackAbout {
  readonly pack: PackId;
  readonly bytes: number;
  /** Last write, or last `touch`. */
  readonly changedAt: UnixMs;
  /** It has its footer, so nobody writes to it. Without one it may be a process's active pack. */
  readonly closed: boolean;
  /** Holds one streamed body. */
  readonly single: boolean;
}

/** Living bodies that compaction copies together. Nothing of it is durable before `finish` resolves. */
export interface Gathering {
  add(object: FrameObject, payload: Uint8Array): PackRef;
  /**
   * All of it is durable, and under a lock until `lockUntil` where the store can lock. Rejects like
   * `BodyStore.sync`.
   */
  finish(lockUntil?: UnixMs): Promise<void>;
}

/**
 * A store of sealed bodies. Implementations MUST:
 * - never change or remove bytes that a `sync` or `finish` has acknowledged, except by `discard` and
 *   `remove`;
 * - keep serving reads while writes fail;
 * - report a lost or shortened body as IntegrityError `integrity.pack`, never as an empty one.
 * Failures of writing are PostsealErrors: `home.disk-full`, `home.not-writable`, `store.write-failed`,
 * `store.unreachable`; the last one of reading too.
 */
export interface BodyStore {
  /**
   * Takes a body into memory and says where it will lie. It is not durable before `sync(ref)` resolves.
   * Throws `home.disk-full` or `store.unreachable` at once while nothing can be taken. The bytes MUST NOT be
   * changed afterwards.
   */
  append(object: FrameObject, payload: Uint8Array): PackRef;
  /** Opens a stream for a body of unknown or large length; it can be discarded later. */
  appendStream(object: FrameObject): Promise<BodyStream>;
  /**
   * Resolves when the body at `ref` is durable. Calls made together share one sync. If it rejects, the
   * body is lost and must be appended again: the reference will never become valid.
   */
  sync(ref: PackRef): Promise<void>;
  /** Octets `from` to `to` of a body, all of it by default. */
  read(ref: PackRef, from?: number, to?: number): Promise<Buffer>;
  /** Checks the frame at `ref` against its digest; undefined if it is whole. */
  verify(ref: PackRef): Promise<PackFinding | undefined>;
  /** Every frame and finding of every pack. */
  scrub(): AsyncGenerator<ScanItem, void, undefined>;
  /** Deletes a streamed body; false if it shares its pack and stays as an orphan until compaction. */
  discard(ref: PackRef): Promise<boolean>;
  /** Every pack that can be told, in a fixed order. */
  packs(): AsyncGenerator<PackAbout, void, undefined>;
  /** Those of them whose bodies wait to be gathered, or to be locked; none on disk. */
  fresh(): AsyncGenerator<PackAbout, void, undefined>;
  /** Begins a copy of bodies that lie here already. */
  gather(): Gathering;
  /** Locks a pack where the store can lock; a lock is never shortened. */
  lock(pack: PackId, until: UnixMs): Promise<void>;
  /** Until when the store lets nobody delete a pack; undefined without a lock. */
  lockedUntil(pack: PackId): Promise<UnixMs | undefined>;
  /** Begins the age of a pack anew. */
  touch(pack: PackId): Promise<void>;
  /**
   * Deletes a pack, whatever is in it; idempotent. The caller knows that nothing refers to it. Rejects with
   * `store.locked` while it is under a lock.
   */
  remove(pack: PackId): Promise<void>;
  /** Removes what streams left that were begun before and never ended; answers how many. */
  sweep(before: UnixMs): Promise<number>;
  /** Waits for what was appended, closes the active pack and all files. */
  close(): Promise<void>;
}
