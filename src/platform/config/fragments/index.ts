// Every fragment, in the order of the reference page.
import type { ConfigFragment } from '../fragment.ts';
import { backupFragment } from './backup.ts';
import { bodiesFragment } from './bodies.ts';
import { generalFragments } from './general.ts';
import { generationsFragment } from './generations.ts';
import { keysFragment } from './keys.ts';
import { keyServiceFragment } from './key-service.ts';
import { limitsFragment } from './limits.ts';
import { listenerFragments } from './listeners.ts';

export const configFragments: readonly ConfigFragment[] = [
  ...generalFragments,
  ...listenerFragments,
  limitsFragment,
  keysFragment,
  bodiesFragment,
  keyServiceFragment,
  backupFragment,
  generationsFragment,
];
