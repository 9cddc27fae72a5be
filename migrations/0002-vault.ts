// Vault: generations of key-encryption keys, custodian keys, group keys and the keys beside them.
// Only wraps lie here; what they are bound to is docs/formats/kek-wrap.md and docs/formats/wrap.md.
// Never changed once landed.
import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
CREATE TABLE public.kek_generation (
  organisation_id uuid NOT NULL,
  generation integer NOT NULL CHECK (generation > 0),
  -- Name of the key inside the store; the key itself never leaves it.
  kek_label text NOT NULL,
  store_kind text NOT NULL,
  token_class text NOT NULL CHECK (token_class IN ('hsm', 'software-token', 'keyfile')),
  state text NOT NULL CHECK (state IN ('live', 'retired', 'destroyed')),
  created_at timestamptz NOT NULL DEFAULT now(),
  destroyed_at timestamptz,
  event_id uuid NOT NULL,
  PRIMARY KEY (organisation_id, generation)
);
CREATE UNIQUE INDEX kek_generation_live ON public.kek_generation (organisation_id) WHERE state = 'live';

-- One row a wrap: while two generations are valid, a custodian key has a row under each.
CREATE TABLE public.custodian_key (
  custodian_id uuid NOT NULL,
  version integer NOT NULL CHECK (version > 0),
  generation integer NOT NULL CHECK (generation > 0),
  organisation_id uuid NOT NULL,
  key_id uuid NOT NULL,
  state text NOT NULL CHECK (state IN ('live', 'retired', 'destroyed')),
  wrap bytea,
  -- The second wrap, to the recovery public key (architecture: key ceremony).
  recovery_wrap bytea,
  created_at timestamptz NOT NULL DEFAULT now(),
  event_id uuid NOT NULL,
  PRIMARY KEY (custodian_id, version, generation),
  CHECK ((state = 'destroyed') = (wrap IS NULL))
);

CREATE TABLE public.group_key (
  custodian_id uuid NOT NULL,
  group_no bigint NOT NULL CHECK (group_no >= 0),
  version integer NOT NULL CHECK (version > 0),
  key_id uuid NOT NULL,
  parent_version integer NOT NULL,
  state text NOT NULL CHECK (state IN ('live', 'retired', 'destroyed')),
  wrap bytea,
  -- A shred marks its group; the next switch of generations gives it a new key.
  marked boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  event_id uuid NOT NULL,
  PRIMARY KEY (custodian_id, group_no, version),
  CHECK ((state = 'destroyed') = (wrap IS NULL))
);

-- Keys directly under the custodian key: folder names, ledger side records.
CREATE TABLE public.custodian_slot_key (
  custodian_id uuid NOT NULL,
  slot text NOT NULL CHECK (slot IN ('names', 'side-record')),
  version integer NOT NULL CHECK (version > 0),
  key_id uuid NOT NULL,
  parent_version integer NOT NULL,
  state text NOT NULL CHECK (state IN ('live', 'retired', 'destroyed')),
  wrap bytea,
  created_at timestamptz NOT NULL DEFAULT now(),
  event_id uuid NOT NULL,
  PRIMARY KEY (custodian_id, slot, version),
  CHECK ((state = 'destroyed') = (wrap IS NULL))
);

-- Keys of the organisation itself, directly under a KEK: deduplication tags.
CREATE TABLE public.organisation_key (
  organisation_id uuid NOT NULL,
  slot text NOT NULL CHECK (slot IN ('dedup')),
  version integer NOT NULL CHECK (version > 0),
  generation integer NOT NULL CHECK (generation > 0),
  key_id uuid NOT NULL,
  state text NOT NULL CHECK (state IN ('live', 'retired', 'destroyed')),
  wrap bytea,
  recovery_wrap bytea,
  created_at timestamptz NOT NULL DEFAULT now(),
  event_id uuid NOT NULL,
  PRIMARY KEY (organisation_id, slot, version, generation),
  CHECK ((state = 'destroyed') = (wrap IS NULL))
);

SELECT public.postseal_guard('public.kek_generation');
SELECT public.postseal_guard('public.custodian_key');
SELECT public.postseal_guard('public.group_key');
SELECT public.postseal_guard('public.custodian_slot_key');
SELECT public.postseal_guard('public.organisation_key');
`;

export class Vault1763942400002 implements MigrationInterface {
  name = 'Vault1763942400002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  down(): Promise<void> {
    // The wraps are the archive: without them nothing opens any more.
    return Promise.reject(new Error('the vault has no way back'));
  }
}
