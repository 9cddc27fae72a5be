// Reading: metadata and bodies of records under a grant. Keys of bodies are kept for at most a minute and
// for the session that had them opened, because a cache must not stand in for a grant.
import { PostsealError } from '../kernel/errors.ts';
import { createDekCache, type DekCache, dekCacheMsMax } from '../vault/keys/dek-cache.ts';
import type { KeyClient, OpenGrant } from '../vault/keys/types.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import { openBodyReader } from './body-reader.ts';
import type { Coalescer } from './coalescer.ts';
import { openEach } from './key-openings.ts';
import { MetadataOpener } from './metadata-opener.ts';
import type { SealedMetadata } from './metadata-rows.store.ts';
import type { ContentRow } from './record-rows.store.ts';
import type { BodyReader, RecordMetadata, RecordRef } from './types.ts';

export interface RecordOpenerDeps {
  readonly keys: KeyClient;
  readonly store: BodyStore;
  readonly contents: Coalescer<RecordRef, ContentRow | undefined>;
  readonly metadata: Coalescer<RecordRef, SealedMetadata | undefined>;
  readonly monotonic: () => number;
}

const keyCacheBytes = 8_388_608;

export class RecordOpener {
  readonly #deps: RecordOpenerDeps;
  readonly #deks: DekCache;
  readonly #metadata: MetadataOpener;
  readonly #forgetters = new Set<() => void>();

  constructor(deps: RecordOpenerDeps) {
    this.#deps = deps;
    const { monotonic } = deps;
    this.#deks = createDekCache({ bytesMax: keyCacheBytes, ttlMs: dekCacheMsMax, monotonic });
    this.#metadata = new MetadataOpener(deps);
  }

  openMetadata(
    grant: OpenGrant,
    refs: readonly RecordRef[],
  ): Promise<(RecordMetadata | PostsealError)[]> {
    return this.#metadata.open(grant, refs);
  }

  async openBodies(
    grant: OpenGrant,
    refs: readonly RecordRef[],
  ): Promise<(BodyReader | PostsealError)[]> {
    // The metadata says which bytes the record stands for; its keys travel with those of the bodies.
    const proofs = this.#metadata.open(grant, refs);
    proofs.catch(() => undefined);
    const rows = await Promise.all(refs.map((ref) => this.#deps.contents.ask(ref)));
    const keys = await this.#deksOf(grant, rows);
    const metadata = await proofs;
    return Promise.all(
      refs.map(async (ref, i) => {
        const row = rows[i];
        const dek = keys[i];
        const proof = metadata[i];
        if (row === undefined || dek === undefined || proof === undefined) return gone(ref);
        if (dek instanceof PostsealError) return dek;
        if (proof instanceof PostsealError) return refused(dek, proof);
        try {
          const digest = proof.original?.digest;
          return await openBodyReader(this.#deps.store, row, { dek, digest });
        } catch (error) {
          if (error instanceof PostsealError) return error;
          throw error;
        }
      }),
    );
  }

  flush(): void {
    this.#deks.flush();
    this.#metadata.flush();
    for (const forget of this.#forgetters) forget();
  }

  onFlush(forget: () => void): () => void {
    this.#forgetters.add(forget);
    return () => void this.#forgetters.delete(forget);
  }

  close(): void {
    this.#deks.close();
    this.#metadata.flush();
  }

  async #deksOf(
    grant: OpenGrant,
    rows: readonly (ContentRow | undefined)[],
  ): Promise<(Buffer | PostsealError | undefined)[]> {
    const out = rows.map((row): Buffer | PostsealError | undefined =>
      row === undefined ? undefined : this.#deks.get(cacheKey(grant, row.custodian, row.contentId)),
    );
    const missing = [...rows.entries()].flatMap(([i, row]) =>
      row === undefined || out[i] !== undefined ? [] : [{ i, row }],
    );
    const opened = await openEach(
      this.#deps.keys,
      grant,
      missing.map(({ row }) => ({
        custodian: row.custodian,
        group: row.group,
        purpose: 'dek',
        objectId: row.contentId,
        wrap: row.wrap,
      })),
    );
    for (const [at, { i, row }] of missing.entries()) {
      const key = opened[at];
      out[i] = key;
      if (key instanceof Buffer) {
        this.#deks.put(cacheKey(grant, row.custodian, row.contentId), key);
      }
    }
    return out;
  }
}

/** Bytes that nothing vouches for are not handed out. */
function refused(dek: Buffer, error: PostsealError): PostsealError {
  dek.fill(0);
  return error;
}

const cacheKey = (grant: OpenGrant, custodian: string, object: string): string =>
  `${grant.session} ${custodian} ${object}`;

/** Never there, or shredded: for a reader it is the same. */
const gone = (ref: RecordRef): PostsealError =>
  new PostsealError('key.destroyed', { record: ref.recordId });
