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
    graceDays: whole(
      'Days after its retirement in which a generation cannot be destroyed. At least 1 when production is true.',
      0,
      366,
    ),
    officers: objectOf('Who must agree that the key of a generation is destroyed.', {
      needed: whole(
        'How many key custodians must grant it, the one who proposes not counted.',
        1,
        16,
      ),
      of: whole('How many key custodians there must be at least.', 1, 64),
    }),
  }),
  defaults: { days: 7, graceDays: 7, officers: { needed: 2, of: 3 } },
};
