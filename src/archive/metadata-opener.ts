// Opens metadata of records under a grant: one key for each cell, one for all records of a page. Opened
// metadata is kept for at most a minute and for the session that had it opened, because a cache must
// not stand in for a grant.
import { IntegrityError, PostsealError } from '../kernel/errors.ts';
import { openCell } from '../vault/formats/cell.ts';
import { openPage } from '../vault/formats/page.ts';
import { dekCacheMsMax } from '../vault/keys/dek-cache.ts';
import type { KeyClient, OpenGrant } from '../vault/keys/types.ts';
import type { Coalescer } from './coalescer.ts';
import { openEach } from './key-openings.ts';
import { MetadataCache } from './metadata-cache.ts';
import { decodeMetadata } from './metadata-payload.ts';
import type { SealedMetadata } from './metadata-rows.store.ts';
import { groupOf } from './record-draft.ts';
import type { RecordMetadata, RecordRef } from './types.ts';

export interface MetadataOpenerDeps {
  readonly keys: KeyClient;
  readonly metadata: Coalescer<RecordRef, SealedMetadata | undefined>;
  readonly monotonic: () => number;
}

type Answer = RecordMetadata | PostsealError;

/** What one key opens, and the records that were asked for in it, by their place in the question. */
interface Sealed {
  readonly row: SealedMetadata;
  readonly asked: (readonly [place: number, ref: RecordRef])[];
  readonly first: RecordRef;
}

const cacheBytes = 33_554_432;

export class MetadataOpener {
  readonly #deps: MetadataOpenerDeps;
  readonly #cache: MetadataCache;

  constructor(deps: MetadataOpenerDeps) {
    this.#deps = deps;
    const { monotonic } = deps;
    this.#cache = new MetadataCache({ bytesMax: cacheBytes, ttlMs: dekCacheMsMax, monotonic });
  }

  async open(grant: OpenGrant, refs: readonly RecordRef[]): Promise<Answer[]> {
    const { flushes } = this.#cache;
    const out = refs.map((ref) => this.#cached(grant, ref));
    const missing = [...refs.entries()].filter(([i]) => out[i] === undefined);
    if (missing.length > 0) await this.#openMissing(grant, missing, { out, flushes });
    return refs.map((ref, i) => out[i] ?? gone(ref));
  }

  #cached(grant: OpenGrant, ref: RecordRef): Answer | undefined {
    try {
      return this.#cache.get(grant.session, ref);
    } catch (error) {
      if (error instanceof PostsealError) return error;
      throw error;
    }
  }

  async #openMissing(
    grant: OpenGrant,
    missing: readonly (readonly [place: number, ref: RecordRef])[],
    { out, flushes }: { readonly out: (Answer | undefined)[]; readonly flushes: number },
  ): Promise<void> {
    const rows = await Promise.all(missing.map(([, ref]) => this.#deps.metadata.ask(ref)));
    const sealed = together(missing, rows);
    const keys = await openEach(this.#deps.keys, grant, sealed.map(slotOf));
    for (const [i, one] of sealed.entries()) {
      const key = keys[i];
      const payloads =
        key === undefined || key instanceof PostsealError
          ? (key ?? gone(one.first))
          : unseal(one, key);
      // A flush since the rows were read may have been about these records.
      const keep = flushes === this.#cache.flushes;
      for (const [place, answer] of this.#answers(grant, one, payloads, keep)) out[place] = answer;
    }
  }

  flush(): void {
    this.#cache.flush();
  }

  *#answers(
    grant: OpenGrant,
    { row, first, asked }: Sealed,
    payloads: Payloads | PostsealError,
    keep: boolean,
  ): Generator<readonly [place: number, answer: Answer]> {
    if (!(payloads instanceof Map)) {
      for (const [place] of asked) yield [place, payloads];
      return;
    }
    // Neighbours in a page are what is asked for next; they stay undecoded until then.
    if (keep && row.pageId !== undefined) {
      for (const [recordId, payload] of payloads) {
        const { custodian } = first;
        this.#cache.putPayload(grant.session, { custodian, recordId }, payload);
      }
    }
    for (const [place, ref] of asked) {
      const payload = payloads.get(ref.recordId);
      const answer =
        payload === undefined ? misplaced(ref) : decoded(() => decodeMetadata(payload));
      yield [place, answer];
      if (!keep || payload === undefined || answer instanceof PostsealError) continue;
      this.#cache.put(grant.session, ref, answer, payload.length);
    }
  }
}

type Payloads = Map<string, Uint8Array>;

function together(
  asked: readonly (readonly [number, RecordRef])[],
  rows: readonly (SealedMetadata | undefined)[],
): Sealed[] {
  const out: Sealed[] = [];
  const pages = new Map<string, Sealed>();
  for (const [at, [place, ref]] of asked.entries()) {
    const row = rows[at];
    if (row === undefined) continue;
    const known = row.pageId === undefined ? undefined : pages.get(row.pageId);
    if (known !== undefined) {
      known.asked.push([place, ref]);
      continue;
    }
    const sealed: Sealed = { row, first: ref, asked: [[place, ref]] };
    out.push(sealed);
    if (row.pageId !== undefined) pages.set(row.pageId, sealed);
  }
  return out;
}

const slotOf = ({ row, first }: Sealed) =>
  ({
    custodian: first.custodian,
    group: groupOf(first.recordNo),
    purpose: row.pageId === undefined ? 'cell' : 'page',
    objectId: row.pageId ?? first.recordId,
    wrap: row.wrap,
  }) as const;

/** Payloads by record id. Zeroes the key. */
function unseal({ row, first }: Sealed, key: Buffer): Payloads | PostsealError {
  const { custodian: custodianId, recordId } = first;
  try {
    if (row.pageId === undefined) {
      const context = { purpose: 'cell', custodianId, objectId: recordId } as const;
      return new Map([[recordId, openCell(key, context, row.sealed)]]);
    }
    const records = openPage(key, { custodianId, pageId: row.pageId }, row.sealed);
    return new Map(records.map((record) => [record.recordId, record.payload]));
  } catch (error) {
    if (error instanceof PostsealError) return error;
    throw error;
  } finally {
    key.fill(0);
  }
}

/** A slot names a page without the record: damage, and not that the record is gone. */
const misplaced = (ref: RecordRef): PostsealError =>
  new IntegrityError('integrity.format', { format: 'page', record: ref.recordId });

function decoded<T>(decode: () => T): T | PostsealError {
  try {
    return decode();
  } catch (error) {
    if (error instanceof PostsealError) return error;
    throw error;
  }
}

/** Never there, or shredded: for a reader it is the same. */
const gone = (ref: RecordRef): PostsealError =>
  new PostsealError('key.destroyed', { record: ref.recordId });
