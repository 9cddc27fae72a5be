// Archive: large MIME parts are contents of their own, and messages are recipes of them (docs/formats/recipe.md).
// Never changed once landed.
import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
-- Contents that a recipe is made of, each once; NULL for a content that is stored whole. They come and go with the
-- row: none of them goes before it.
ALTER TABLE public.content
  ADD COLUMN parts uuid[] CHECK (cardinality(parts) BETWEEN 1 AND 255 AND array_position(parts, NULL) IS NULL);
-- The wrap's purpose is part (docs/formats/wrap.md), and refs counts this custodian's wraps of recipes of it.
ALTER TABLE public.content_wrap ADD COLUMN part boolean NOT NULL DEFAULT false;
`;

export class SharedParts1763942400014 implements MigrationInterface {
  readonly name = 'SharedParts1763942400014';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('an archive is never migrated backwards'));
  }
}
