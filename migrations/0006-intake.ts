// What was imported already: a keyed hash of the exact bytes and the how-manieth such message of the
// import it was, so that the same import run twice stores nothing twice. The hash is deleted with
// the record (docs/architecture.md §3, dedup tag).
import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
CREATE TABLE public.import_item (
  custodian_id uuid NOT NULL,
  mailbox_id uuid NOT NULL,
  tag bytea NOT NULL CHECK (length(tag) = 32),
  occurrence int NOT NULL,
  record_id uuid NOT NULL,
  event_id uuid NOT NULL,
  PRIMARY KEY (custodian_id, mailbox_id, tag, occurrence)
);
CREATE INDEX import_item_record ON public.import_item (custodian_id, record_id);
SELECT public.postseal_guard('public.import_item');
`;

export class Intake implements MigrationInterface {
  readonly name = 'Intake1763942400006';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }
  down(): Promise<void> {
    return Promise.reject(new Error('an archive is never migrated backwards'));
  }
}
