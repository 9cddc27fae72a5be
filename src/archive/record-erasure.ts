// The archive's own part in an erasure: the record with its metadata and keys. The record of a page takes
// the page along: the others are opened and sealed again under a new page id and key before the transaction,
// and the transaction does it only if nothing moved meanwhile.
import { PostsealError } from '../kernel/errors.ts';
import type { RecordId, RecordNo } from '../kernel/ids.ts';
import type { Database } from '../platform/postgres/database.ts';
import type { Queryable } from '../platform/postgres/statement.ts';
import { openPage, pageRecordIds } from '../vault/formats/page.ts';
import type { KeyClient } from '../vault/keys/types.ts';
import { type Committer, part } from './committer/types.ts';
import type { ErasureTarget, HeldRows, Purge } from './erasure-target.ts';
import { pagesWithRecord, rowsOfRecord } from './held-rows.store.ts';
import { maintenanceGrant } from './maintenance-grant.ts';
import { type PagedRecord, sealNewPage } from './new-page.ts';
import { PageLock } from './page-lock.store.ts';
import { findMetadata, type MetadataPlace, type PageSuccession } from './page-rows.store.ts';
import { groupOf } from './record-draft.ts';
import { findShred, shredKind, type Shredded, type ShredMetadata } from './shred-part.store.ts';
import type { RecordRef } from './types.ts';

export interface RecordErasureDeps {
  readonly db: Database;
  readonly keys: KeyClient;
  readonly committer: Committer;
}

export class RecordErasure implements ErasureTarget<Shredded> {
  readonly name = 'archive.record';
  readonly tables = ['record', 'metadata_cell', 'metadata_slot'];
  readonly kept = {
    erased_record:
      'when the keys of an erased record were destroyed is the proof of its erasure; it names nothing else',
  };
  readonly #deps: RecordErasureDeps;

  constructor(deps: RecordErasureDeps) {
    this.#deps = deps;
  }

  discover(client: Queryable, ref: RecordRef): Promise<readonly HeldRows[]> {
    return rowsOfRecord(client, ref);
  }

  /** One at a time in a process: the purge of a paged record holds a pooled connection until released. */
  async purge(ref: RecordRef): Promise<Purge<Shredded>> {
    const { db } = this.#deps;
    const found = await findShred(db, ref);
    if (found === undefined) throw new PostsealError('key.destroyed', { record: ref.recordId });
    const lock = new PageLock(db, ref.custodian);
    const locate = (): Promise<ShredMetadata> => this.#locate(ref, lock);
    try {
      const input = { ref, ...found, metadata: await locate(), locate };
      return { part: part(shredKind, input), release: () => lock.give() };
    } catch (error) {
      await lock.give();
      throw error;
    }
  }

  async verify(client: Queryable, ref: RecordRef): Promise<readonly HeldRows[]> {
    return [...(await rowsOfRecord(client, ref)), ...(await pagesWithRecord(client, ref))];
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
