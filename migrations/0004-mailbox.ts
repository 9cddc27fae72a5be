// Mailbox: accounts, folders, the view of records as messages, what changed, and derived state.
// docs/architecture.md §2; bytes of mailbox_snapshot.data: docs/formats/mailbox-snapshot.md.
// No index on flags, modseq or counters: updates of hot rows stay heap-only.
import type { MigrationInterface, QueryRunner } from 'typeorm';

const directory = `
CREATE TABLE public.account (
  custodian_id uuid NOT NULL,
  account_id uuid NOT NULL,
  name text NOT NULL CHECK (name = lower(name) AND name <> ''),
  state text NOT NULL CHECK (state IN ('active', 'disabled')),
  inbox_id uuid NOT NULL,
  -- Next UIDVALIDITY to give away; never lowered, so that a name that is used again grows.
  uidvalidity_next bigint NOT NULL CHECK (uidvalidity_next BETWEEN 1 AND 4294967295),
  -- Counts changes of the folder tree: a change planned on an older tree is planned again.
  tree_version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  event_id uuid NOT NULL,
  PRIMARY KEY (custodian_id, account_id)
);
CREATE UNIQUE INDEX account_by_id ON public.account (account_id);
CREATE UNIQUE INDEX account_by_name ON public.account (name);

CREATE TABLE public.address (
  custodian_id uuid NOT NULL,
  address text NOT NULL CHECK (address = lower(address) AND address <> ''),
  account_id uuid NOT NULL,
  event_id uuid NOT NULL,
  PRIMARY KEY (custodian_id, address)
);
-- Account names have a row here too, so that no alias can take one.
CREATE UNIQUE INDEX address_by_address ON public.address (address);
CREATE INDEX address_by_account ON public.address (account_id);
`;

const folders = `
CREATE TABLE public.mailbox (
  custodian_id uuid NOT NULL,
  mailbox_id uuid NOT NULL,
  account_id uuid NOT NULL,
  -- HMAC of the name: makes names unique without showing them.
  name_tag bytea NOT NULL CHECK (octet_length(name_tag) = 32),
  name_cell bytea NOT NULL,
  special_use text,
  subscribed boolean NOT NULL,
  uidvalidity bigint NOT NULL CHECK (uidvalidity BETWEEN 1 AND 4294967295),
  uidnext bigint NOT NULL DEFAULT 1 CHECK (uidnext BETWEEN 1 AND 4294967296),
  highest_modseq bigint NOT NULL DEFAULT 1 CHECK (highest_modseq BETWEEN 1 AND 9007199254740991),
  messages bigint NOT NULL DEFAULT 0 CHECK (messages >= 0),
  unseen bigint NOT NULL DEFAULT 0 CHECK (unseen >= 0),
  deleted bigint NOT NULL DEFAULT 0 CHECK (deleted >= 0),
  size bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
  -- A deleted mailbox keeps its row and its message rows: they answer "what was uid 7".
  deleted_at timestamptz,
  event_id uuid NOT NULL,
  PRIMARY KEY (custodian_id, mailbox_id)
) WITH (fillfactor = 30);
CREATE UNIQUE INDEX mailbox_by_id ON public.mailbox (mailbox_id);
CREATE UNIQUE INDEX mailbox_by_name ON public.mailbox (account_id, name_tag) WHERE deleted_at IS NULL;
-- RFC 9051 §6.3.7: a name stays subscribed though its mailbox was deleted.
CREATE INDEX mailbox_subscribed_only ON public.mailbox (account_id) WHERE deleted_at IS NOT NULL AND subscribed;

CREATE TABLE public.keyword (
  custodian_id uuid NOT NULL,
  mailbox_id uuid NOT NULL,
  bit smallint NOT NULL CHECK (bit BETWEEN 5 AND 51),
  name_tag bytea NOT NULL CHECK (octet_length(name_tag) = 32),
  name_cell bytea NOT NULL,
  PRIMARY KEY (custodian_id, mailbox_id, bit),
  UNIQUE (custodian_id, mailbox_id, name_tag)
);
`;

const messageColumns = `
  custodian_id uuid NOT NULL,
  mailbox_id uuid NOT NULL,
  uid bigint NOT NULL CHECK (uid BETWEEN 1 AND 4294967295),
  record_id uuid NOT NULL,
  record_no bigint NOT NULL,
  -- Octets of the original.
  size bigint NOT NULL,
  -- Both in Unix milliseconds.
  internal_date bigint NOT NULL,
  saved_at bigint NOT NULL,
  -- Bits: 0 Seen, 1 Answered, 2 Flagged, 3 Deleted, 4 Draft, 5 to 51 keywords of the mailbox.
  flags bigint NOT NULL CHECK (flags BETWEEN 0 AND 4503599627370495),
  modseq bigint NOT NULL,
  event_id uuid NOT NULL,
  PRIMARY KEY (custodian_id, mailbox_id, uid)
`;

const messages = `
CREATE TABLE public.message (${messageColumns}) PARTITION BY HASH (custodian_id);
-- Messages that left the view, with the event that took them out: (mailbox, uid) -> record for the
-- life of the log. A mailbox_id has one UIDVALIDITY for ever, so it stands for it here.
CREATE TABLE public.message_history (${messageColumns}) PARTITION BY HASH (custodian_id);
DO $$
BEGIN
  FOR i IN 0..31 LOOP
    EXECUTE format('CREATE TABLE public.message_%s PARTITION OF public.message FOR VALUES WITH (MODULUS 32, REMAINDER %s) WITH (fillfactor = 50)', lpad(i::text, 2, '0'), i);
    EXECUTE format('CREATE TABLE public.message_history_%s PARTITION OF public.message_history FOR VALUES WITH (MODULUS 32, REMAINDER %s)', lpad(i::text, 2, '0'), i);
  END LOOP;
END $$;
`;

const changes = `
-- New and changed messages per (mailbox, modseq), in parts of at most 8,192. Without uids: uid_from,
-- uid_from + 1, … Cut below mailbox_memory.log_floor once a snapshot holds it.
CREATE TABLE public.change_log (
  custodian_id uuid NOT NULL,
  mailbox_id uuid NOT NULL,
  modseq bigint NOT NULL,
  part integer NOT NULL,
  uid_from bigint NOT NULL,
  uids bigint[],
  flags bigint[] NOT NULL,
  PRIMARY KEY (custodian_id, mailbox_id, modseq, part)
);

-- RFC 7162 §3.2.6. A range may also cover uids that vanished earlier or never were.
CREATE TABLE public.vanished (
  custodian_id uuid NOT NULL,
  mailbox_id uuid NOT NULL,
  modseq bigint NOT NULL,
  uid_from bigint NOT NULL,
  uid_to bigint NOT NULL CHECK (uid_to >= uid_from),
  PRIMARY KEY (custodian_id, mailbox_id, modseq, uid_from)
);

-- State that is derived or may be lost without loss of mail: it changes without an event.
CREATE TABLE public.mailbox_memory (
  custodian_id uuid NOT NULL,
  mailbox_id uuid NOT NULL,
  -- Messages from this uid on have been shown to no read-write session (\\Recent).
  recent_from bigint NOT NULL DEFAULT 1,
  -- change_log knows everything after this modseq.
  log_floor bigint NOT NULL DEFAULT 0,
  -- vanished knows everything after this modseq.
  vanished_floor bigint NOT NULL DEFAULT 0,
  -- Modseq of the live snapshot; 0 is none.
  snapshot_modseq bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (custodian_id, mailbox_id)
) WITH (fillfactor = 50);

CREATE TABLE public.mailbox_snapshot (
  custodian_id uuid NOT NULL,
  mailbox_id uuid NOT NULL,
  modseq bigint NOT NULL,
  part integer NOT NULL,
  data bytea NOT NULL,
  PRIMARY KEY (custodian_id, mailbox_id, modseq, part)
);
`;

const guarded = ['account', 'address', 'mailbox', 'message', 'message_history'];

export class Mailbox1763942400004 implements MigrationInterface {
  name = 'Mailbox1763942400004';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [directory, folders, messages, changes]) await runner.query(sql);
    for (const table of guarded) {
      await runner.query(`SELECT public.postseal_guard('public.${table}')`);
    }
  }

  down(): Promise<void> {
    // Message rows are evidence of what was where.
    return Promise.reject(new Error('mailboxes have no way back'));
  }
}
