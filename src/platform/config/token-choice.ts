// `keys.store: auto`: what the set-up's ladder found on this machine (scripts/setup/token.mjs wrote it).
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface TokenChoice {
  /** `keyfile`, or a file of keys/profiles/ without its ending. */
  readonly profile: string;
  readonly module: string | undefined;
}

const choiceFile = fileURLToPath(new URL('../../../.postseal-cache/token.json', import.meta.url));

/** The choice of the set-up, or SoftHSM where its profile finds it when no set-up ever ran. */
export function readTokenChoice(path: string = choiceFile): TokenChoice {
  const fallback: TokenChoice = { profile: 'softhsm2', module: undefined };
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // Never set up, as in an image that carries its own token: the profile's list decides.
    return fallback;
  }
  if (typeof value !== 'object' || value === null) return fallback;
  const { profile, module } = value as Partial<Record<keyof TokenChoice, unknown>>;
  if (typeof profile !== 'string') return fallback;
  return { profile, module: typeof module === 'string' ? module : undefined };
}
