// Reading: metadata and bodies of records under a grant. Keys of bodies are kept for at most a minute and
// for the session that had them opened, because a cache must not stand in for a grant.
import { PostsealError } from '../kernel/errors.ts';
import { createDekCache, type DekCache, dekCacheMsMax } from '../vault/keys/dek-cache.ts';
import type { KeyClient, OpenGrant } from '../vault/keys/types.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import type { Coalescer } from './coalescer.ts';
import { openEach } from './key-openings.ts';
import { MetadataOpener } from './metadata-opener.ts';
import { openMessageReader } from './message-reader.ts';
import type { SealedMetadata } from './metadata-rows.store.ts';
import type { ContentRow, PartRef } from './record-rows.store.ts';
import type { BodyReader, RecordMetadata, RecordRef } from './types.ts';

export interface RecordOpenerDeps {
  readonly keys: KeyClient;
  readonly store: BodyStore;
  readonly contents: Coalescer<RecordRef, ContentRow | undefined>;
  readonly parts: Coalescer<PartRef, ContentRow | undefined>;
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
    // In the same turn where no message has parts: the keys then travel with those of the metadata.
    const inParts = rows.some((row) => row !== undefined && row.parts.length > 0);
    const parts = inParts ? await Promise.all(rows.map((row) => this.#partsOf(row))) : [];
    // Keys of messages and parts in one request, a message and its parts behind one another.
    const wanted = rows.flatMap((row, i): Wanted[] =>
      row === undefined
        ? []
        : [{ row, purpose: 'dek' }, ...(parts[i] ?? []).map((part) => asPart(part))],
    );
    const keys = await this.#deksOf(grant, wanted);
    const metadata = await proofs;
    let at = 0;
    return Promise.all(
      refs.map(async (ref, i) => {
        const row = rows[i];
        const from = at;
        at += row === undefined ? 0 : 1 + (parts[i]?.length ?? 0);
        const take = { wanted: wanted.slice(from, at), keys: keys.slice(from, at) };
        const whole = row !== undefined && (parts[i]?.length ?? 0) === row.parts.length;
        return this.#openOne(take, whole ? metadata[i] : undefined, ref);
      }),
    );
  }

  async #openOne(
    { wanted, keys }: { wanted: readonly Wanted[]; keys: readonly OpenedKey[] },
    proof: RecordMetadata | PostsealError | undefined,
    ref: RecordRef,
  ): Promise<BodyReader | PostsealError> {
    const opened = wanted.flatMap(({ row }, i) => {
      const dek = keys[i];
      return dek instanceof Buffer ? [{ row, dek }] : [];
    });
    const refuse = (error: PostsealError): PostsealError => {
      // Bytes that nothing vouches for, or that are not all there, are not handed out.
      for (const { dek } of opened) dek.fill(0);
      return error;
    };
    const [message, ...parts] = opened;
    if (proof === undefined) return refuse(gone(ref));
    if (message === undefined || opened.length < wanted.length) {
      return refuse(keys.find((key) => key instanceof PostsealError) ?? gone(ref));
    }
    if (proof instanceof PostsealError) return refuse(proof);
    const digest = proof.original?.digest;
    try {
      return await openMessageReader(this.#deps.store, { message, parts, digest });
    } catch (error) {
      if (error instanceof PostsealError) return error;
      throw error;
    }
  }

  /** Rows of a recipe's parts; fewer than it has if one was shredded just now. */
  async #partsOf(row: ContentRow | undefined): Promise<readonly ContentRow[]> {
    if (row === undefined || row.parts.length === 0) return [];
    const { custodian } = row;
    const found = await Promise.all(
      row.parts.map((contentId) => this.#deps.parts.ask({ custodian, contentId })),
    );
    return found.filter((part) => part !== undefined);
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

  async #deksOf(grant: OpenGrant, wanted: readonly Wanted[]): Promise<OpenedKey[]> {
    const out = wanted.map(({ row }): OpenedKey =>
      this.#deks.get(cacheKey(grant, row.custodian, row.contentId)),
    );
    const missing = [...wanted.entries()].filter(([i]) => out[i] === undefined);
    const opened = await openEach(
      this.#deps.keys,
      grant,
      missing.map(([, { row, purpose }]) => ({
        custodian: row.custodian,
        group: row.group,
        purpose,
        objectId: row.contentId,
        wrap: row.wrap,
      })),
    );
    for (const [at, [i, { row }]] of missing.entries()) {
      const key = opened[at];
      out[i] = key;
      if (key instanceof Buffer) {
        this.#deks.put(cacheKey(grant, row.custodian, row.contentId), key);
      }
    }
    return out;
  }
}

type OpenedKey = Buffer | PostsealError | undefined;

interface Wanted {
  readonly row: ContentRow;
  readonly purpose: 'dek' | 'part';
}

const asPart = (row: ContentRow): Wanted => ({ row, purpose: 'part' });

const cacheKey = (grant: OpenGrant, custodian: string, object: string): string =>
  `${grant.session} ${custodian} ${object}`;

/** Never there, or shredded: for a reader it is the same. */
const gone = (ref: RecordRef): PostsealError =>
  new PostsealError('key.destroyed', { record: ref.recordId });
