// Archive: which page holds a record's metadata once its cell was folded (docs/formats/archive-rows.md).
// A row a record, because the records of one page need not be neighbours: numbers are leased in blocks
// by several processes, and a late one may lie between those of a page. Never changed once landed.
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { custodianPartitions } from '../src/kernel/limits.ts';

const up = `
CREATE TABLE public.metadata_slot (
  custodian_id uuid NOT NULL,
  record_no bigint NOT NULL,
  record_id uuid NOT NULL,
  page_id uuid NOT NULL,
  PRIMARY KEY (custodian_id, record_no)
) PARTITION BY HASH (custodian_id);
`;

export class MetadataSlot1763942400008 implements MigrationInterface {
  readonly name = 'MetadataSlot1763942400008';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
    for (let i = 0; i < custodianPartitions; i += 1) {
      await runner.query(
        `CREATE TABLE public.metadata_slot_${i} PARTITION OF public.metadata_slot
         FOR VALUES WITH (MODULUS ${custodianPartitions}, REMAINDER ${i})`,
      );
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE public.metadata_slot');
  }
}
