// Vault: what the key service handed out, as it wrote it down itself, for the daily comparison with the ledger
// (docs/formats/key-hierarchy.md "Keys handed out"). A row is one event and kind of key in about a second; ids of
// what was opened stay out of the leaves, which live for ever, and go with the row once it was compared.
// Never changed once landed.
import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
CREATE TABLE public.key_handout (
  handout_id bigint GENERATED ALWAYS AS IDENTITY,
  -- Whose keys; for a key of the organisation, the organisation.
  custodian_id uuid NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  kind text NOT NULL CHECK (kind IN ('opened', 'moved', 'wrapped', 'write')),
  -- The events that were named as the reason, and the purpose: of an opening alone.
  grant_events uuid[] NOT NULL,
  purpose text,
  -- Whose key it was before: of a move alone.
  from_id uuid,
  key_kind text NOT NULL,
  keys integer NOT NULL CHECK (keys > 0),
  -- 16 bytes an opened or moved key: the id of what it opens.
  objects bytea NOT NULL,
  -- The leaf that counts it.
  recorded_by uuid NOT NULL,
  PRIMARY KEY (handout_id, custodian_id)
);
ALTER TABLE public.key_handout ALTER COLUMN objects SET STORAGE EXTERNAL;
`;

export class KeyHandouts1763942400012 implements MigrationInterface {
  readonly name = 'KeyHandouts1763942400012';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE public.key_handout');
  }
}
