// Seals metadata of several records as one page under a fresh key, and proves that it opens before
// anything that it replaces may go: docs/formats/cell.md "Page".
import { randomBytes, randomUUID } from 'node:crypto';
import { equalBytes } from '../kernel/bytes.ts';
import { PostsealError } from '../kernel/errors.ts';
import type { CustodianId, RecordId, RecordNo } from '../kernel/ids.ts';
import { openPage, sealPage } from '../vault/formats/page.ts';
import type { KeyClient } from '../vault/keys/types.ts';
import { groupOf } from './record-draft.ts';

/** A record's metadata before sealing, as its cell held it. */
export interface PagedRecord {
  readonly recordId: RecordId;
  readonly recordNo: RecordNo;
  readonly payload: Uint8Array;
}

/** What a row of `metadata_page` gets. */
export interface NewPage {
  readonly custodian: CustodianId;
  readonly pageId: string;
  readonly firstNo: RecordNo;
  readonly lastNo: RecordNo;
  readonly page: Uint8Array;
  readonly wrap: Uint8Array;
}

/** `records`: 1 to 128 of one group, in the order of their numbers. */
export async function sealNewPage(
  keys: KeyClient,
  custodian: CustodianId,
  records: readonly PagedRecord[],
): Promise<NewPage> {
  const [first] = records;
  const last = records.at(-1);
  if (
    first === undefined ||
    last === undefined ||
    groupOf(first.recordNo) !== groupOf(last.recordNo)
  ) {
    throw new PostsealError('internal', { what: 'a page is of one group' });
  }
  const pageId = randomUUID();
  const key = randomBytes(32);
  const slot = {
    custodian,
    group: groupOf(first.recordNo),
    purpose: 'page',
    objectId: pageId,
  } as const;
  try {
    const page = sealPage(key, { custodianId: custodian, pageId }, randomBytes(24), records);
    prove(openPage(key, { custodianId: custodian, pageId }, page), records);
    const [wrap] = await keys.wrap([{ ...slot, key }]);
    if (wrap === undefined) throw new PostsealError('internal', { what: 'no wrap' });
    return { custodian, pageId, firstNo: first.recordNo, lastNo: last.recordNo, page, wrap };
  } finally {
    key.fill(0);
  }
}

function prove(opened: ReturnType<typeof openPage>, records: readonly PagedRecord[]): void {
  const same =
    opened.length === records.length &&
    records.every(({ recordId, payload }, i) => {
      const found = opened[i];
      return found?.recordId === recordId && equalBytes(found.payload, payload);
    });
  if (!same) throw new PostsealError('internal', { what: 'a page does not give back its records' });
}
