// Reading: metadata and bodies of records under a grant. Keys and opened metadata are kept for at most
// a minute and for the session that had them opened, because a cache must not stand in for a grant.
import { PostsealError } from '../kernel/errors.ts';
import { openCell } from '../vault/formats/cell.ts';
import { createDekCache, type DekCache, dekCacheMsMax } from '../vault/keys/dek-cache.ts';
import type { KeyClient, OpenGrant } from '../vault/keys/types.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import { openBodyReader } from './body-reader.ts';
import type { Coalescer } from './coalescer.ts';
import { openEach } from './key-openings.ts';
import { MetadataCache } from './metadata-cache.ts';
import { decodeMetadata } from './metadata-payload.ts';
import { groupOf } from './record-draft.ts';
import type { CellRow, ContentRow } from './record-rows.store.ts';
import type { BodyReader, RecordMetadata, RecordRef } from './types.ts';

export interface RecordOpenerDeps {
  readonly keys: KeyClient;
  readonly store: BodyStore;
  readonly contents: Coalescer<RecordRef, ContentRow | undefined>;
  readonly cells: Coalescer<RecordRef, CellRow | undefined>;
  readonly monotonic: () => number;
}

const keyCacheBytes = 8_388_608;
const metadataCacheBytes = 33_554_432;

export class RecordOpener {
  readonly #deps: RecordOpenerDeps;
  readonly #deks: DekCache;
  readonly #metadata: MetadataCache;

  constructor(deps: RecordOpenerDeps) {
    this.#deps = deps;
    const { monotonic } = deps;
    const times = { ttlMs: dekCacheMsMax, monotonic };
    this.#deks = createDekCache({ bytesMax: keyCacheBytes, ...times });
    this.#metadata = new MetadataCache({ bytesMax: metadataCacheBytes, ...times });
  }

  async openMetadata(
    grant: OpenGrant,
    refs: readonly RecordRef[],
  ): Promise<(RecordMetadata | PostsealError)[]> {
    const out = refs.map((ref): RecordMetadata | PostsealError | undefined =>
      this.#metadata.get(cacheKey(grant, ref.custodian, ref.recordId)),
    );
    const missing = [...refs.entries()].filter(([i]) => out[i] === undefined);
    const rows = await Promise.all(missing.map(([, ref]) => this.#deps.cells.ask(ref)));
    const there = missing.flatMap(([i, ref], at) => {
      const row = rows[at];
      return row === undefined ? [] : [{ i, ref, row }];
    });
    const opened = await openEach(
      this.#deps.keys,
      grant,
      there.map(({ ref, row }) => ({
        custodian: ref.custodian,
        group: groupOf(ref.recordNo),
        purpose: 'cell',
        objectId: ref.recordId,
        wrap: row.wrap,
      })),
    );
    for (const [at, { i, ref, row }] of there.entries()) {
      const key = opened[at];
      out[i] = key instanceof PostsealError || key === undefined ? key : openOne(ref, row, key);
      const found = out[i];
      if (found !== undefined && !(found instanceof PostsealError)) {
        this.#metadata.put(cacheKey(grant, ref.custodian, ref.recordId), found, row.cell.length);
      }
    }
    return refs.map((ref, i) => out[i] ?? gone(ref));
  }

  async openBodies(
    grant: OpenGrant,
    refs: readonly RecordRef[],
  ): Promise<(BodyReader | PostsealError)[]> {
    const rows = await Promise.all(refs.map((ref) => this.#deps.contents.ask(ref)));
    const keys = await this.#deksOf(grant, rows);
    return Promise.all(
      refs.map(async (ref, i) => {
        const row = rows[i];
        const dek = keys[i];
        if (row === undefined || dek === undefined) return gone(ref);
        if (dek instanceof PostsealError) return dek;
        try {
          return await openBodyReader(this.#deps.store, row, dek);
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

const cacheKey = (grant: OpenGrant, custodian: string, object: string): string =>
  `${grant.session} ${custodian} ${object}`;

function openOne(ref: RecordRef, row: CellRow, key: Buffer): RecordMetadata | PostsealError {
  const context = { purpose: 'cell', custodianId: ref.custodian, objectId: ref.recordId } as const;
  try {
    return decodeMetadata(openCell(key, context, row.cell));
  } catch (error) {
    if (error instanceof PostsealError) return error;
    throw error;
  } finally {
    key.fill(0);
  }
}

/** Never there, or shredded: for a reader it is the same. */
const gone = (ref: RecordRef): PostsealError =>
  new PostsealError('key.destroyed', { record: ref.recordId });
