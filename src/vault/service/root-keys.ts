// The top of the tree: generations of KEKs in the key store, and what hangs directly under one. At the
// first start it makes generation 1 and the organisation's deduplication key; afterwards a KEK that the
// tables know and the store does not have is a failure of the start, never a reason to make another.
import { randomBytes } from 'node:crypto';
import { systemActor, type EventDraft } from '../../ledger/event/draft.ts';
import type { EventSealer } from '../../ledger/event/event-sealer.ts';
import { withEvents } from '../../ledger/event/inbox.store.ts';
import { PostsealError } from '../../kernel/errors.ts';
import { uuidV4, type KeyId, type OrganisationId } from '../../kernel/ids.ts';
import type { Database } from '../../platform/postgres/database.ts';
import type { Purpose } from '../formats/purposes.ts';
import { kekContextBytes } from '../keys/kek-blob.ts';
import type { KeyStore } from '../keys/key-store.ts';
import type { WriteKey } from '../keys/types.ts';
import {
  addGeneration,
  addOrganisationKey,
  readGenerations,
  readOrganisationKeys,
  type KekWrappedRow,
} from './key-rows.store.ts';

export interface RootDeps {
  readonly database: Database;
  readonly store: KeyStore;
  readonly organisation: OrganisationId;
  readonly sealer: EventSealer;
}

export interface RootKeys {
  /** The live one. */
  readonly generation: number;
  /** Reads the generations anew, after one was begun or destroyed. */
  refresh(): Promise<void>;
  /** Wraps a key under the live KEK. */
  wrap(purpose: Purpose, owner: string, key: NewKey): Promise<KekWrappedRow>;
  /**
   * Opens the newest generation's wrap among `rows`, which are wraps of one key.
   * @throws PostsealError `key.destroyed`, `key.unavailable`; IntegrityError.
   */
  unwrap(purpose: Purpose, rows: readonly KekWrappedRow[]): Promise<Buffer>;
  /** A copy of the live deduplication key. */
  dedup(): WriteKey;
  close(): void;
}

export interface NewKey {
  readonly id: string;
  readonly version: number;
  readonly key: Uint8Array;
}

/** A random uuid for a key. */
export function newKeyId(): string {
  return uuidV4(randomBytes(16));
}

/** Reads or makes the root. @throws PostsealError `key.store-other` when the store has not the KEK of these tables. */
export async function openRootKeys(deps: RootDeps): Promise<RootKeys> {
  const { database, organisation } = deps;
  const generations = await readGenerations(database.pool, organisation);
  if (generations.length === 0) await makeRoot(deps);
  const root = new Root(deps, 0, new Map());
  await root.refresh();
  await root.load();
  return root;
}

/** Wraps under a KEK whose generation is not in the tables yet. */
export function keysOfNewGeneration(
  deps: RootDeps,
  generation: number,
  kekLabel: string,
): RootKeys {
  return new Root(deps, generation, new Map([[generation, kekLabel]]));
}

async function makeRoot(deps: RootDeps): Promise<void> {
  const { database, store, organisation, sealer } = deps;
  const kek = await store.ensureKek(1);
  const keys = keysOfNewGeneration(deps, 1, kek.id);
  const key = randomBytes(32);
  const row = await keys
    .wrap('dedup', organisation, { id: newKeyId(), version: 1, key })
    .finally(() => key.fill(0));
  const objects = [
    { t: 'org', id: organisation },
    { t: 'key', id: row.keyId },
  ] as const;
  const draft: EventDraft = {
    op: 'key.created',
    outcome: 'success',
    actor: systemActor,
    objects,
    fields: { kind: 'kek', generation: 1, store: store.kind, tokenClass: store.tokenClass },
  };
  try {
    await withEvents(database, sealer, [draft], async (client, [event]) => {
      if (event === undefined) throw new PostsealError('internal');
      const names = { kekLabel: kek.id, storeKind: store.kind, tokenClass: store.tokenClass };
      const generation = { organisationId: organisation, generation: 1, ...names };
      await addGeneration(client, generation, event.id);
      await addOrganisationKey(client, 'dedup', row, event.id);
    });
  } catch (error) {
    // Another key service of this organisation was first; what it wrote is read next.
    if (!(error instanceof PostsealError && error.code === 'store.conflict')) throw error;
  }
}

class Root implements RootKeys {
  readonly #deps: RootDeps;
  #generation: number;
  #keks: ReadonlyMap<number, string>;
  #dedup: WriteKey | undefined;

  constructor(deps: RootDeps, generation: number, keks: ReadonlyMap<number, string>) {
    this.#deps = deps;
    this.#generation = generation;
    this.#keks = keks;
  }

  get generation(): number {
    return this.#generation;
  }

  async refresh(): Promise<void> {
    const { database, organisation } = this.#deps;
    const generations = await readGenerations(database.pool, organisation);
    const live = generations.find(({ state }) => state === 'live');
    if (live === undefined) throw new PostsealError('key.destroyed', { reason: 'no-generation' });
    this.#generation = live.generation;
    this.#keks = new Map(
      generations
        .filter(({ state }) => state !== 'destroyed')
        .map(({ generation, kekLabel }) => [generation, kekLabel]),
    );
  }

  /** Opens the deduplication key, which proves that the store has the KEK of these tables. */
  async load(): Promise<void> {
    const { database, organisation } = this.#deps;
    const rows = await readOrganisationKeys(database.pool, organisation, 'dedup');
    const version = Math.max(0, ...rows.filter((r) => r.state === 'live').map((r) => r.version));
    const wraps = rows.filter((row) => row.version === version);
    const [first] = wraps;
    if (first === undefined) throw new PostsealError('key.destroyed', { reason: 'no-dedup-key' });
    try {
      const key = await this.unwrap('dedup', wraps);
      this.#dedup = { id: first.keyId as KeyId, version, key };
    } catch (error) {
      if (error instanceof PostsealError && error.code === 'key.destroyed') {
        throw new PostsealError('key.store-other', { key: this.#kek(this.generation) }, error);
      }
      throw error;
    }
  }

  async wrap(purpose: Purpose, owner: string, key: NewKey): Promise<KekWrappedRow> {
    const { id: keyId, version } = key;
    const place = { owner, keyId, version, generation: this.generation };
    const wrap = await this.#deps.store.wrap(
      this.#kek(this.generation),
      this.#context(purpose, place),
      key.key,
    );
    return { ...place, state: 'live', wrap };
  }

  async unwrap(purpose: Purpose, rows: readonly KekWrappedRow[]): Promise<Buffer> {
    const held = rows.filter(({ wrap }) => wrap !== undefined);
    // Another key service began a generation that this one has not heard of.
    if (held.some(({ generation }) => generation > this.#generation)) await this.refresh();
    const usable = held
      .filter((row) => row.wrap !== undefined && this.#keks.has(row.generation))
      .sort((a, b) => b.generation - a.generation);
    const [newest] = usable;
    if (newest?.wrap === undefined) throw new PostsealError('key.destroyed', { purpose });
    return this.#deps.store.unwrap(
      this.#kek(newest.generation),
      this.#context(purpose, newest),
      newest.wrap,
    );
  }

  dedup(): WriteKey {
    if (this.#dedup === undefined) throw new PostsealError('key.unavailable', { slot: 'dedup' });
    return { ...this.#dedup, key: Buffer.from(this.#dedup.key) };
  }

  close(): void {
    this.#dedup?.key.fill(0);
    this.#dedup = undefined;
  }

  #kek(generation: number): string {
    const label = this.#keks.get(generation);
    if (label === undefined) throw new PostsealError('key.destroyed', { generation });
    return label;
  }

  #context(
    purpose: Purpose,
    row: Pick<KekWrappedRow, 'owner' | 'keyId' | 'version' | 'generation'>,
  ): Uint8Array {
    return kekContextBytes({
      purpose,
      organisationId: this.#deps.organisation,
      ownerId: row.owner,
      keyId: row.keyId,
      generation: row.generation,
      version: row.version,
    });
  }
}
