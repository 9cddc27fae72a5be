// Operate: what was restored into this archive, and who signed for it. While a restore is not signed, nothing of
// the archive is deleted, whatever code asks for it.
// Never changed once landed.
import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
CREATE TABLE public.home_restore (
  restore_id uuid PRIMARY KEY,
  organisation_id uuid NOT NULL REFERENCES public.organisation (organisation_id),
  restored_at timestamptz NOT NULL DEFAULT now(),
  report text NOT NULL,
  signed_at timestamptz,
  event_id uuid NOT NULL
);
SELECT public.postseal_guard('public.home_restore', 'organisation_id', 'organisation_id');

CREATE FUNCTION public.postseal_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM public.home_restore WHERE signed_at IS NULL) THEN
    RAISE EXCEPTION 'nothing is deleted before the restore report is signed' USING ERRCODE = 'PS003';
  END IF;
  RETURN NULL;
END $$;
ALTER FUNCTION public.postseal_frozen() OWNER TO postseal_audit_owner;
GRANT SELECT ON public.home_restore TO postseal_audit_owner;

DO $$
DECLARE
  target regclass;
  part regclass;
BEGIN
  FOREACH target IN ARRAY ARRAY['public.record', 'public.content', 'public.content_wrap', 'public.home_restore']::regclass[] LOOP
    FOR part IN SELECT target UNION SELECT relid FROM pg_catalog.pg_partition_tree(target) LOOP
      EXECUTE format('CREATE TRIGGER postseal_frozen BEFORE DELETE ON %s
                      FOR EACH STATEMENT EXECUTE FUNCTION public.postseal_frozen()', part);
      EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER postseal_frozen', part);
    END LOOP;
  END LOOP;
END $$;
`;

export class HomeRestore1763942400013 implements MigrationInterface {
  readonly name = 'HomeRestore1763942400013';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('an archive is never migrated backwards'));
  }
}
