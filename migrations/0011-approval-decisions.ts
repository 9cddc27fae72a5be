// Access: an act may need several persons who decide (M of N key officers destroy a key). Each decision is a row;
// the approval is granted with the last one that it needs, and denied with the first that denies.
// Never changed once landed.
import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
ALTER TABLE public.approval
  ADD COLUMN decisions_needed integer NOT NULL DEFAULT 1 CHECK (decisions_needed BETWEEN 1 AND 16);
CREATE TABLE public.approval_decision (
  approval_id uuid NOT NULL REFERENCES public.approval (approval_id),
  person_id uuid NOT NULL REFERENCES public.person (person_id),
  granted boolean NOT NULL,
  decided_at timestamptz NOT NULL DEFAULT now(),
  event_id uuid NOT NULL,
  PRIMARY KEY (approval_id, person_id)
);
SELECT public.postseal_guard('public.approval_decision', 'approval_id', 'approval_id');
`;

export class ApprovalDecisions1763942400011 implements MigrationInterface {
  readonly name = 'ApprovalDecisions1763942400011';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('an archive is never migrated backwards'));
  }
}
