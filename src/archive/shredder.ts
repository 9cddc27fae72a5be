// Prepares and orders shreds. The record of a page takes the page along: the others are opened and sealed
// again under a new page id and key before the transaction, and the transaction does it only if nothing
// moved meanwhile.
import { PostsealError } from '../kernel/errors.ts';
import type { RecordId, RecordNo } from '../kernel/ids.ts';
import type { EventDraft } from '../ledger/event/draft.ts';
import type { Database } from '../platform/postgres/database.ts';
import { openPage, pageRecordIds } from '../vault/formats/page.ts';
import type { KeyClient } from '../vault/keys/types.ts';
import { type Committer, part, type Part } from './committer/types.ts';
import { maintenanceGrant } from './maintenance-grant.ts';
import { type PagedRecord, sealNewPage } from './new-page.ts';
import { PageLock } from './page-lock.store.ts';
import { findMetadata, type MetadataPlace, type PageSuccession } from './page-rows.store.ts';
import { groupOf } from './record-draft.ts';
import { findShred, shredKind, type ShredMetadata } from './shred-part.store.ts';
import type { RecordRef, ShredResult } from './types.ts';

export interface ShredderDeps {
  readonly db: Database;
  readonly keys: KeyClient;
  readonly committer: Committer;
}

export interface ShredOrder {
  readonly record: RecordRef;
  readonly event: EventDraft;
  readonly also: readonly Part[];
}

export class Shredder {
  readonly #deps: ShredderDeps;
  #last: Promise<unknown> = Promise.resolve();

  constructor(deps: ShredderDeps) {
    this.#deps = deps;
  }

  /** One after the other: each has a batch of its own, and one pooled connection serves them all. */
  shred(order: ShredOrder): Promise<ShredResult> {
    const running = this.#last.then(() => this.#shred(order));
    // Whether it succeeded is its own caller's business.
    this.#last = running.catch(() => undefined);
    return running;
  }

  async #shred({ record: ref, event: draft, also }: ShredOrder): Promise<ShredResult> {
    const { db, committer } = this.#deps;
    const found = await findShred(db, ref);
    if (found === undefined) throw destroyed(ref);
    const lock = new PageLock(db, ref.custodian);
    const locate = (): Promise<ShredMetadata> => this.#locate(ref, lock);
    try {
      const shredPart = part(shredKind, { ref, ...found, metadata: await locate(), locate });
      const { outputs, events } = await committer.commit({
        events: [draft],
        parts: [shredPart, ...also] as [typeof shredPart, ...Part[]],
      });
      const [event] = events;
      if (event === undefined) throw new PostsealError('internal', { what: 'event without id' });
      return { event, ...outputs[0] };
    } finally {
      await lock.give();
    }
  }

  async #locate(ref: RecordRef, lock: PageLock): Promise<ShredMetadata> {
    const seen = await findMetadata(lock.client ?? this.#deps.db.pool, ref);
    if (seen.page === undefined) return { cell: seen.cell, page: undefined };
    // Once more under the lock, behind whoever was sealing the page again.
    const { cell, page } = await findMetadata(await lock.take(), ref);
    return { cell, page: page === undefined ? undefined : await this.#sealOthers(ref, page) };
  }

  async #sealOthers(
    ref: RecordRef,
    row: NonNullable<MetadataPlace['page']>,
  ): Promise<PageSuccession> {
    const { keys } = this.#deps;
    const { pageId } = row;
    const survivors = await this.#openOthers(ref, row);
    const numbers = survivors.map(({ recordNo }) => recordNo);
    if (survivors.length === 0) return { pageId, survivors: numbers, successor: undefined };
    const successor = await sealNewPage(keys, ref.custodian, survivors);
    return { pageId, survivors: numbers, successor };
  }

  async #openOthers(
    { custodian, recordId, recordNo }: RecordRef,
    { pageId, page, wrap, numbers }: NonNullable<MetadataPlace['page']>,
  ): Promise<PagedRecord[]> {
    const { keys, committer } = this.#deps;
    // The last one's page just goes; nothing is opened for it.
    if (pageRecordIds(page).every((id) => id === recordId)) return [];
    const grant = await maintenanceGrant(committer, custodian, 'reseal', 1);
    const slot = {
      custodian,
      group: groupOf(recordNo),
      purpose: 'page',
      objectId: pageId,
    } as const;
    const [key] = await keys.open(grant, [{ ...slot, wrap }]);
    if (key === undefined) throw new PostsealError('internal', { what: 'no key' });
    try {
      const records = openPage(key, { custodianId: custodian, pageId }, page);
      return records
        .filter((record) => record.recordId !== recordId)
        .map(({ recordId: id, payload }) => {
          const number = numbers.get(id);
          return { recordId: id as RecordId, recordNo: slotNumber(number, id), payload };
        })
        .sort((a, b) => a.recordNo - b.recordNo);
    } finally {
      key.fill(0);
    }
  }
}

/** A record of a page always has its slot; one that has not would be lost by sealing anew. */
function slotNumber(number: RecordNo | undefined, record: string): RecordNo {
  if (number === undefined) throw new PostsealError('internal', { what: 'no slot', record });
  return number;
}

const destroyed = (ref: RecordRef): PostsealError =>
  new PostsealError('key.destroyed', { record: ref.recordId });
