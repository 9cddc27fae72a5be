// Custodian keys and group keys in the key service: loaded from their wraps in batches, made on first
// use, leased to one batch of calls at a time. What is cryptography below a parent key is synchronous
// (key-work.ts); what waits for PostgreSQL or the token is here. Tree: docs/architecture.md §3.
import { randomBytes } from 'node:crypto';
import { systemActor, type EventDraft } from '../../ledger/event/draft.ts';
import type { EventSealer } from '../../ledger/event/event-sealer.ts';
import { withEvents } from '../../ledger/event/inbox.store.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { CustodianId, KeyId, OrganisationId } from '../../kernel/ids.ts';
import type { Database } from '../../platform/postgres/database.ts';
import type { WriteKey } from '../keys/types.ts';
import {
  addCustodianKey,
  addGroupKeys,
  addSlotKeys,
  readCustodianKeys,
  readGroupKeys,
  type GroupRow,
  type CustodianKeyRow,
  type SlotRow,
} from './key-rows.store.ts';
import { newChild, openChild, openGroup } from './child-key.ts';
import { CustodianKeys } from './custodian-keys.ts';
import { custodianOf, groupName, KeyBatch, type GroupPlace, type Wanted } from './key-batch.ts';
import { destroyAll, ParentKey, ParentKeys } from './parent-key.ts';
import { newKeyId, type RootKeys } from './root-keys.ts';
import { createSecretCache } from './secret-cache.ts';

export interface KeyTreeDeps {
  readonly database: Database;
  readonly organisation: OrganisationId;
  readonly sealer: EventSealer;
  readonly root: RootKeys;
  /** Bounds of the two caches, bytes. */
  readonly custodianBytesMax: number;
  readonly groupBytesMax: number;
}

export class KeyTree {
  readonly #deps: KeyTreeDeps;
  readonly #custodians;
  readonly #groups;
  /** Loads run one after the other, so that no key is unwrapped or made twice. */
  #loading: Promise<unknown> = Promise.resolve();

  constructor(deps: KeyTreeDeps) {
    this.#deps = deps;
    this.#custodians = createSecretCache<CustodianKeys>(deps.custodianBytesMax);
    this.#groups = createSecretCache<ParentKeys>(deps.groupBytesMax);
  }

  get custodiansCached(): number {
    return this.#custodians.size;
  }

  get groupsCached(): number {
    return this.#groups.size;
  }

  /** Loads what is wanted; end the batch in every case. Failures show when a key is looked up. */
  async prepare(wanted: Wanted): Promise<KeyBatch> {
    const batch = new KeyBatch(this.#custodians.lease(), this.#groups.lease());
    const missing = batch.missing(wanted);
    if (missing.custodians.length + missing.groups.length + missing.newGroups.length === 0) {
      return batch;
    }
    try {
      await this.#exclusively(() => this.#load(batch, wanted));
    } catch (error) {
      // What is in the caches still serves; only what could not be loaded fails.
      const left = batch.missing(wanted);
      for (const custodian of left.custodians) batch.fail(custodian, error);
      for (const place of [...left.groups, ...left.newGroups]) batch.fail(groupName(place), error);
    }
    return batch;
  }

  /** True if nothing has to be loaded or made: then `prepare` waits for nobody. */
  isCached(wanted: Wanted): boolean {
    const batch = new KeyBatch(this.#custodians.lease(), this.#groups.lease());
    const missing = batch.missing(wanted);
    batch.end();
    return missing.custodians.length + missing.groups.length + missing.newGroups.length === 0;
  }

  /** Makes the keys of a custodian unless they exist. @throws PostsealError `key.destroyed`. */
  async ensureCustodian(custodian: CustodianId): Promise<void> {
    const batch = await this.prepare({ custodians: [custodian], groups: [], newGroups: [] });
    try {
      if (!batch.isUnknown(custodian)) {
        batch.custodian(custodian);
        return;
      }
    } finally {
      batch.end();
    }
    await this.#exclusively(() => this.#makeCustodian(custodian));
    // Not made if another key service began a generation at the same moment: once more under that.
    const { keys } = await readCustodianKeys(this.#deps.database.pool, [custodian]);
    if (keys.length > 0) return;
    await this.#deps.root.refresh();
    await this.#exclusively(() => this.#makeCustodian(custodian));
  }

  /** Forgets all keys. */
  flush(): void {
    this.#groups.flush();
    this.#custodians.flush();
  }

  /** Forgets the keys of these custodians, whose rows have changed. */
  forget(custodians: ReadonlySet<string>): void {
    this.#groups.drop((name) => custodians.has(custodianOf(name)));
    this.#custodians.drop((custodian) => custodians.has(custodian));
  }

  /** Runs `work` while nothing is loaded or made. It MUST NOT ask this tree for keys. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#exclusively(work);
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#loading.then(work);
    this.#loading = done.catch(() => {
      // Whoever asked has the error; the next load starts afresh.
    });
    return done;
  }

  async #load(batch: KeyBatch, wanted: Wanted): Promise<void> {
    // What was missing may have come in while this load waited for the one before.
    const first = batch.missing(wanted);
    await this.#loadCustodians(batch, first.custodians);
    await this.#loadGroups(batch, [...first.groups, ...first.newGroups]);
    const { newGroups } = batch.missing({ ...wanted, custodians: [], groups: [] });
    const makeable = newGroups.filter(({ custodian }) => batch.has(custodian));
    if (makeable.length === 0) return;
    try {
      await this.#makeGroups(batch, makeable);
    } catch (error) {
      if (!(error instanceof PostsealError && error.code === 'store.conflict')) throw error;
      // Another key service made one of them meanwhile, or a switch of generations moved the custodian. What
      // was written is read, the rest made again.
      await this.#loadCustodians(batch, [...new Set(makeable.map(({ custodian }) => custodian))]);
      await this.#loadGroups(batch, makeable);
      await this.#makeGroups(batch, batch.missing({ ...wanted, custodians: [] }).newGroups);
    }
  }

  async #loadCustodians(batch: KeyBatch, custodians: readonly string[]): Promise<void> {
    if (custodians.length === 0) return;
    const { keys, slots } = await readCustodianKeys(this.#deps.database.pool, custodians);
    await Promise.all(
      custodians.map(async (custodian) => {
        const rows = keys.filter((row) => row.owner === custodian);
        if (rows.length === 0) return;
        try {
          const opened = await this.#openCustodian(
            rows,
            slots.filter((row) => row.owner === custodian),
          );
          batch.addCustodian(custodian, opened);
        } catch (error) {
          batch.fail(custodian, error);
        }
      }),
    );
  }

  async #openCustodian(
    rows: readonly CustodianKeyRow[],
    slots: readonly SlotRow[],
  ): Promise<CustodianKeys> {
    const versions = new Map(rows.map((row) => [row.version, row]));
    const keys: { key: ParentKey; live: boolean }[] = [];
    const opened = new Map<SlotRow['slot'], WriteKey>();
    try {
      for (const [version, { owner, keyId, state }] of versions) {
        const wraps = rows.filter((row) => row.version === version && row.state !== 'destroyed');
        if (!wraps.some(({ needed }) => needed)) continue;
        const key = await this.#deps.root.unwrap('custodian-key', wraps);
        keys.push({ key: new ParentKey(owner, keyId, version, key), live: state === 'live' });
      }
      if (keys.length === 0) throw new PostsealError('key.destroyed', { kind: 'custodian-key' });
      const parents = new ParentKeys(keys);
      for (const row of slots.filter(({ state }) => state === 'live')) {
        const key = openChild(parents, row.slot, row);
        if (key === undefined) continue;
        opened.set(row.slot, { id: row.keyId as KeyId, version: row.version, key });
      }
      return new CustodianKeys(parents, opened);
    } catch (error) {
      destroyAll(keys);
      for (const { key } of opened.values()) key.fill(0);
      throw error;
    }
  }

  async #loadGroups(batch: KeyBatch, places: readonly GroupPlace[]): Promise<void> {
    const readable = places.filter(({ custodian }) => batch.has(custodian));
    if (readable.length === 0) return;
    const asked = readable.map(({ custodian, group }) => ({ owner: custodian, group }));
    const found = new Map<string, GroupRow[]>();
    for (const row of await readGroupKeys(this.#deps.database.pool, asked)) {
      const key = groupName({ custodian: row.owner, group: row.group });
      found.set(key, [...(found.get(key) ?? []), row]);
    }
    for (const place of readable) {
      const rows = found.get(groupName(place));
      if (rows === undefined) continue;
      try {
        batch.addGroup(place, openGroup(batch.custodian(place.custodian).parents, rows));
      } catch (error) {
        batch.fail(groupName(place), error);
      }
    }
  }

  async #makeCustodian(custodian: CustodianId): Promise<void> {
    const { root, organisation, database, sealer } = this.#deps;
    const parentId = newKeyId();
    const parent = randomBytes(32);
    const ck = new ParentKey(custodian, parentId, 1, parent);
    const { row, slots } = await wrapNew(root, ck, parent).finally(() => {
      ck.destroy();
    });
    const keys = [parentId, ...slots.map(({ keyId }) => keyId)];
    const draft = created('custodian-key', custodian, keys);
    try {
      await withEvents(database, sealer, [draft], async (client, [event]) => {
        if (event === undefined) throw new PostsealError('internal');
        await addCustodianKey(client, organisation, row, event.id);
        await addSlotKeys(client, custodian, slots, event.id);
      });
    } catch (error) {
      // Somebody else made this custodian's keys at the same moment; those are the ones that count.
      if (!(error instanceof PostsealError && error.code === 'store.conflict')) throw error;
    }
  }

  async #makeGroups(batch: KeyBatch, places: readonly GroupPlace[]): Promise<void> {
    if (places.length === 0) return;
    const rows = places.map(({ custodian, group }) => {
      const ck = batch.custodian(custodian).parents.newest;
      if (ck === undefined) throw new PostsealError('key.destroyed', { kind: 'custodian-key' });
      return { ...newChild(ck, 'group-key'), group };
    });
    const drafts = rows.map((row) =>
      created('group-key', row.owner as CustodianId, [row.keyId], row.group),
    );
    const { database, sealer } = this.#deps;
    await withEvents(database, sealer, drafts, (client, events) =>
      addGroupKeys(
        client,
        rows.map((row, i) => ({ ...row, event: events[i]?.id ?? '' })),
      ),
    );
    // Only now: what was wrapped under a key that never committed could not be opened again.
    for (const row of rows) {
      const place = { custodian: row.owner, group: row.group };
      batch.addGroup(place, openGroup(batch.custodian(row.owner).parents, [row]));
    }
  }
}

/** The rows of a new custodian key and of the keys of its slots. */
async function wrapNew(root: RootKeys, ck: ParentKey, key: Buffer) {
  const about = { id: ck.id, version: ck.version, key };
  const row = await root.wrap('custodian-key', ck.owner, about);
  const slots = (['names', 'side-record'] as const).map((slot) => ({
    slot,
    ...newChild(ck, slot),
  }));
  return { row, slots };
}

function created(
  kind: string,
  custodian: CustodianId,
  keys: readonly string[],
  group?: number,
): EventDraft {
  return {
    op: 'key.created',
    outcome: 'success',
    actor: systemActor,
    objects: [{ t: 'cus', id: custodian }, ...keys.map((id) => ({ t: 'key', id }) as const)],
    fields: group === undefined ? { kind } : { kind, group },
  };
}
