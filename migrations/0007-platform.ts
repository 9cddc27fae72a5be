// Platform: leases of work that one node at a time may do (src/platform/jobs/lease.store.ts).
// The job queue's own schema `pgboss` is made by its library under its own lock (docs/adr/0003).
// Never changed once landed.
import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
CREATE TABLE public.lease (
  name text PRIMARY KEY,
  holder text NOT NULL,
  -- Grows with every change of holder; what a late holder writes can be told by it.
  fence bigint NOT NULL CHECK (fence > 0),
  until timestamptz NOT NULL
);
`;

export class Platform1763942400007 implements MigrationInterface {
  readonly name = 'Platform1763942400007';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE public.lease');
  }
}
