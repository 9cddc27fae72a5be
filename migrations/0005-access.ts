// Persons, roles, credentials, sign-in sessions and approvals (docs/architecture.md §4–5). Names of
// persons and accounts are not secret here; docs/security/leakage.md lists them.
import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
CREATE TABLE public.person (
  person_id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE CHECK (name = lower(name) AND name <> ''),
  full_name text NOT NULL,
  state text NOT NULL CHECK (state IN ('active', 'disabled')),
  created_at timestamptz NOT NULL DEFAULT now(),
  event_id uuid NOT NULL
);

-- A role that is taken away stays as a row: who held what when is asked for years.
CREATE TABLE public.role_assignment (
  assignment_id uuid PRIMARY KEY,
  person_id uuid NOT NULL REFERENCES public.person (person_id),
  role text NOT NULL,
  active boolean NOT NULL,
  assigned_at timestamptz NOT NULL DEFAULT now(),
  removed_at timestamptz,
  event_id uuid NOT NULL
);
CREATE UNIQUE INDEX role_assignment_active ON public.role_assignment (person_id, role) WHERE active;

CREATE TABLE public.credential (
  owner_kind text NOT NULL CHECK (owner_kind IN ('account', 'person')),
  owner_id uuid NOT NULL,
  hash text NOT NULL,
  must_change boolean NOT NULL,
  set_at timestamptz NOT NULL DEFAULT now(),
  event_id uuid NOT NULL,
  PRIMARY KEY (owner_kind, owner_id)
);

-- Only the SHA-256 of a token is kept.
CREATE TABLE public.person_session (
  token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
  session_id uuid NOT NULL UNIQUE,
  person_id uuid NOT NULL REFERENCES public.person (person_id),
  -- The session that the first start leaves in the home: it needs no password change.
  first_start boolean NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);

CREATE TABLE public.approval (
  approval_id uuid PRIMARY KEY,
  act text NOT NULL,
  subject text NOT NULL,
  proposed_by uuid NOT NULL REFERENCES public.person (person_id),
  proposed_at timestamptz NOT NULL DEFAULT now(),
  state text NOT NULL CHECK (state IN ('proposed', 'granted', 'denied', 'used', 'expired')),
  decided_by uuid REFERENCES public.person (person_id),
  decided_at timestamptz,
  reason text,
  event_id uuid NOT NULL,
  CHECK (decided_by IS NULL OR decided_by <> proposed_by)
);

SELECT public.postseal_guard('public.person');
SELECT public.postseal_guard('public.role_assignment');
SELECT public.postseal_guard('public.credential');
SELECT public.postseal_guard('public.approval');
`;

export class Access implements MigrationInterface {
  readonly name = 'Access1763942400005';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }
  down(): Promise<void> {
    return Promise.reject(new Error('an archive is never migrated backwards'));
  }
}
