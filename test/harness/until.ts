// Waits for what another process does in its own time.
import { setTimeout as sleep } from 'node:timers/promises';

type Look<T> = T | false | undefined;

/** The first answer of `look` that is neither undefined nor false; it is asked ten times a second for a minute. */
export async function until<T>(look: () => Look<T> | Promise<Look<T>>): Promise<T> {
  for (let tries = 0; tries < 600; tries += 1) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await sleep(100);
  }
  throw new Error(`it never came: ${look.toString()}`);
}
