// Archive: organisation, custodian, content, wraps, records, metadata, packs. Final from its first
// landing (architecture §3). Rules that the tables keep:
// - What stays readable in a stolen database is sizes, times, counts and states; all else is sealed.
// - custodian_id is in the primary key of everything a custodian owns; hash-partitioned by it.
// - A guarded row names the event of the transaction that last wrote it (migration 0001).
// - `digest` columns let a scrub without keys find changed bytes; what they cover is in
//   docs/formats/archive-rows.md.
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { custodianPartitions } from '../src/kernel/limits.ts';

const tables = `
CREATE TABLE public.organisation (
  organisation_id uuid PRIMARY KEY,
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'closed')),
  created_at timestamptz NOT NULL DEFAULT now(),
  event_id uuid NOT NULL
);

CREATE TABLE public.custodian (
  organisation_id uuid NOT NULL REFERENCES public.organisation,
  custodian_id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('person', 'function', 'unassigned')),
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'closed')),
  created_at timestamptz NOT NULL DEFAULT now(),
  event_id uuid NOT NULL
);

-- Record numbers are leased in blocks, so that the group key is known before the transaction. Gaps
-- are normal. Not guarded: a lease changes nothing that anyone could see.
CREATE TABLE public.custodian_counter (
  custodian_id uuid PRIMARY KEY,
  next_record_no bigint NOT NULL CHECK (next_record_no >= 0)
) WITH (fillfactor = 50);

-- One stored message (or other object) of a dedup domain. holder_id is a custodian that has a wrap of
-- it: a duplicate is rewrapped from there.
CREATE TABLE public.content (
  dedup_domain uuid NOT NULL,
  content_id uuid NOT NULL,
  dedup_tag bytea NOT NULL CHECK (octet_length(dedup_tag) = 32),
  dedup_version integer NOT NULL,
  holder_id uuid NOT NULL,
  size bigint NOT NULL CHECK (size >= 0),
  pack_id uuid NOT NULL,
  pack_offset bigint NOT NULL CHECK (pack_offset >= 0),
  pack_length bigint NOT NULL CHECK (pack_length > 0),
  pack_digest bytea NOT NULL CHECK (octet_length(pack_digest) = 32),
  created_at timestamptz NOT NULL DEFAULT now(),
  event_id uuid NOT NULL,
  PRIMARY KEY (dedup_domain, content_id),
  UNIQUE (dedup_domain, dedup_tag)
);
CREATE INDEX content_place ON public.content (pack_id, pack_offset);

-- One custodian's wrapped key of one content; refs counts that custodian's records of it. Extra wraps
-- (not the first of their content) are in a partial index, from which a new holder is taken.
CREATE TABLE public.content_wrap (
  custodian_id uuid NOT NULL,
  content_id uuid NOT NULL,
  dedup_domain uuid NOT NULL,
  group_no integer NOT NULL CHECK (group_no >= 0),
  wrap bytea NOT NULL,
  refs integer NOT NULL CHECK (refs > 0),
  extra boolean NOT NULL,
  digest bytea NOT NULL CHECK (octet_length(digest) = 32),
  event_id uuid NOT NULL,
  PRIMARY KEY (custodian_id, content_id)
) PARTITION BY HASH (custodian_id);
CREATE INDEX content_wrap_extra ON public.content_wrap (content_id) WHERE extra;

CREATE TABLE public.record (
  custodian_id uuid NOT NULL,
  record_id uuid NOT NULL,
  record_no bigint NOT NULL CHECK (record_no >= 0),
  content_id uuid NOT NULL,
  dedup_domain uuid NOT NULL,
  size bigint NOT NULL CHECK (size >= 0),
  source text NOT NULL CHECK (source IN ('lmtp', 'append', 'import', 'journal')),
  archived_at timestamptz NOT NULL DEFAULT now(),
  event_id uuid NOT NULL,
  PRIMARY KEY (custodian_id, record_id),
  UNIQUE (custodian_id, record_no)
) PARTITION BY HASH (custodian_id);

-- The sealed header lines, structure, preview and envelope of one record, until a page takes it.
-- By number, because lists read neighbours.
CREATE TABLE public.metadata_cell (
  custodian_id uuid NOT NULL,
  record_no bigint NOT NULL,
  record_id uuid NOT NULL,
  cell bytea NOT NULL,
  wrap bytea NOT NULL,
  digest bytea NOT NULL CHECK (octet_length(digest) = 32),
  PRIMARY KEY (custodian_id, record_no)
) PARTITION BY HASH (custodian_id);

-- Cells of neighbouring records folded into one; first_no..last_no are record numbers of one group.
CREATE TABLE public.metadata_page (
  custodian_id uuid NOT NULL,
  page_id uuid NOT NULL,
  first_no bigint NOT NULL,
  last_no bigint NOT NULL CHECK (last_no >= first_no),
  page bytea NOT NULL,
  wrap bytea NOT NULL,
  digest bytea NOT NULL CHECK (octet_length(digest) = 32),
  PRIMARY KEY (custodian_id, page_id),
  UNIQUE (custodian_id, first_no)
) PARTITION BY HASH (custodian_id);

-- Packs that hold or held acknowledged bytes. What no content points at is an orphan or was shredded.
CREATE TABLE public.pack (
  pack_id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('shared', 'single')),
  first_seen timestamptz NOT NULL DEFAULT now()
);
`;

/** Sealed bytes do not compress; EXTERNAL saves the attempt. */
const storage = `
ALTER TABLE public.content_wrap ALTER COLUMN wrap SET STORAGE EXTERNAL;
ALTER TABLE public.metadata_cell ALTER COLUMN cell SET STORAGE EXTERNAL;
ALTER TABLE public.metadata_page ALTER COLUMN page SET STORAGE EXTERNAL;
`;

const partitioned = ['content_wrap', 'record', 'metadata_cell', 'metadata_page'];
const guarded = ['organisation', 'custodian', 'content', 'content_wrap', 'record'];

export class Archive1763942400003 implements MigrationInterface {
  name = 'Archive1763942400003';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(tables);
    for (const table of partitioned) {
      for (let i = 0; i < custodianPartitions; i += 1) {
        await runner.query(
          `CREATE TABLE public.${table}_${i} PARTITION OF public.${table}
           FOR VALUES WITH (MODULUS ${custodianPartitions}, REMAINDER ${i})`,
        );
      }
    }
    await runner.query(storage);
    for (const table of guarded) await runner.query(`SELECT public.postseal_guard('${table}')`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['pack', ...partitioned, 'content', 'custodian_counter']) {
      await runner.query(`DROP TABLE public.${table}`);
    }
    await runner.query('DROP TABLE public.custodian, public.organisation');
  }
}
