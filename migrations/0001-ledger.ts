// Ledger: inbox, log, head, side records, pseudonym keys, the guard "no audit, no commit", and the
// roles that keep the application from changing what was written. docs/formats/ledger.md.
// Everything is schema-qualified: a temporary table of the same name must not shadow it.
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { ledgerGuardSql } from './0001-ledger-guard.ts';
import { ledgerRolesSql } from './0001-ledger-roles.ts';

const tables = `
CREATE TABLE public.audit_inbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  event_ids uuid[] NOT NULL,
  bodies bytea[] NOT NULL,
  CONSTRAINT audit_inbox_pairs CHECK (cardinality(event_ids) > 0 AND cardinality(event_ids) = cardinality(bodies))
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
-- Rows live for milliseconds: compressing them would cost more than it saves.
ALTER TABLE public.audit_inbox ALTER COLUMN bodies SET STORAGE EXTERNAL;
ALTER TABLE public.audit_inbox ALTER COLUMN event_ids SET STORAGE EXTERNAL;
CREATE INDEX audit_inbox_xid ON public.audit_inbox (xid);

CREATE TABLE public.audit_log (
  seq bigint NOT NULL,
  event_id uuid NOT NULL,
  at timestamptz NOT NULL,
  op text NOT NULL,
  cls text NOT NULL,
  outcome text NOT NULL,
  actor text NOT NULL,
  objects text[] NOT NULL,
  leaf bytea NOT NULL,
  chain bytea NOT NULL,
  body bytea,
  PRIMARY KEY (seq),
  CONSTRAINT audit_log_hashes CHECK (octet_length(leaf) = 32 AND octet_length(chain) = 32)
) PARTITION BY RANGE (seq);
CREATE INDEX audit_log_at ON public.audit_log (at);
CREATE INDEX audit_log_op ON public.audit_log (op, seq);
CREATE INDEX audit_log_actor ON public.audit_log (actor, seq);
CREATE INDEX audit_log_objects ON public.audit_log USING gin (objects);

CREATE TABLE public.audit_head (
  log smallint PRIMARY KEY DEFAULT 1 CHECK (log = 1),
  origin text NOT NULL,
  term bigint NOT NULL DEFAULT 0,
  size bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
  chain bytea NOT NULL CHECK (octet_length(chain) = 32)
);

CREATE TABLE public.audit_side (
  event_id uuid NOT NULL,
  slot text NOT NULL,
  subject uuid NOT NULL,
  key_id uuid NOT NULL,
  sealed bytea NOT NULL,
  PRIMARY KEY (event_id, slot)
);
CREATE INDEX audit_side_subject ON public.audit_side (subject);

CREATE TABLE public.audit_subject (
  subject uuid PRIMARY KEY,
  key_id uuid NOT NULL,
  sealed bytea NOT NULL
);
`;

export class Ledger1763942400001 implements MigrationInterface {
  name = 'Ledger1763942400001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(tables);
    await runner.query(ledgerGuardSql);
    await runner.query(ledgerRolesSql);
  }

  down(): Promise<void> {
    // A ledger is never taken back.
    return Promise.reject(new Error('the ledger has no way back'));
  }
}
