// The stored cells and pages of a custodian, opened by themselves and not by the archive's reader.
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { CustodianId, SessionId } from '../../src/kernel/ids.ts';
import { openCell } from '../../src/vault/formats/cell.ts';
import { openPage } from '../../src/vault/formats/page.ts';
import type { OpenGrant } from '../../src/vault/keys/types.ts';
import { eventOf, type StageProcess } from './stage.ts';

export interface SealedRow {
  /** Of the record or the page. */
  readonly id: string;
  /** Record number; of a page its first. */
  readonly no: number;
  readonly sealed: Buffer;
  readonly wrap: Buffer;
}

export class SealedMetadata {
  readonly #pool: pg.Pool;
  readonly #process: StageProcess;

  constructor(pool: pg.Pool, process: StageProcess) {
    this.#pool = pool;
    this.#process = process;
  }

  cellRows(owner: CustodianId): Promise<SealedRow[]> {
    return this.#rows(
      `SELECT record_id::text AS id, record_no::int AS no, cell AS sealed, wrap FROM metadata_cell
        WHERE custodian_id = $1 ORDER BY record_no`,
      owner,
    );
  }

  pageRows(owner: CustodianId): Promise<SealedRow[]> {
    return this.#rows(
      `SELECT page_id::text AS id, first_no::int AS no, page AS sealed, wrap FROM metadata_page
        WHERE custodian_id = $1 ORDER BY first_no`,
      owner,
    );
  }

  /** Payloads in hex by record id. */
  async cellPayloads(owner: CustodianId): Promise<Map<string, string>> {
    const rows = await this.cellRows(owner);
    const keys = await this.#open(owner, 'cell', rows);
    return new Map(
      rows.map(({ id, sealed }, i) => {
        const context = { purpose: 'cell', custodianId: owner, objectId: id } as const;
        return [id, Buffer.from(openCell(keys[i]!, context, sealed)).toString('hex')];
      }),
    );
  }

  /** Payloads in hex by record id. */
  async pagePayloads(owner: CustodianId): Promise<Map<string, string>> {
    const out = new Map<string, string>();
    const rows = await this.pageRows(owner);
    const keys = await this.#open(owner, 'page', rows);
    for (const [i, { id, sealed }] of rows.entries()) {
      const records = openPage(keys[i]!, { custodianId: owner, pageId: id }, sealed);
      for (const { recordId, payload } of records) {
        out.set(recordId, Buffer.from(payload).toString('hex'));
      }
    }
    return out;
  }

  async #rows(sql: string, owner: CustodianId): Promise<SealedRow[]> {
    return (await this.#pool.query<SealedRow>(sql, [owner])).rows;
  }

  async #open(
    owner: CustodianId,
    purpose: 'cell' | 'page',
    rows: readonly SealedRow[],
  ): Promise<Buffer[]> {
    const session = randomUUID() as SessionId;
    const draft = { ...eventOf('key.opened', [], session), objects: [{ t: 'cus', id: owner }] };
    const event = await this.#process.committer.record(draft as ReturnType<typeof eventOf>);
    const grant: OpenGrant = { session, purpose: 'maintenance', events: [event] };
    const slots = rows.map(({ id, no, wrap }) => ({
      custodian: owner,
      group: no >> 12,
      purpose,
      objectId: id,
      wrap,
    }));
    return this.#process.keys.open(grant, slots);
  }
}
