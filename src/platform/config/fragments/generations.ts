// How long a key generation lives (docs/formats/key-hierarchy.md "Generations").
import { objectOf, whole } from '../fragment.ts';
import type { ConfigFragment } from '../fragment.ts';

export const generationsFragment: ConfigFragment = {
  key: 'generations',
  schema: objectOf('Key generations.', {
    days: whole(
      'Days after which the next generation is made and everything is moved under it; 0: only by `postseal key rotate`.',
      0,
      366,
    ),
  }),
  defaults: { days: 7 },
};
