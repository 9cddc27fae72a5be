// Where the set-up finds and keeps things. The cache folder is never committed and may be deleted.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const cacheFolder = join(root, '.postseal-cache');
const resultFile = join(cacheFolder, 'setup.json');

/** What the last set-up found; `{}` when there was none. src/platform/config reads this file too. */
export function readResult() {
  try {
    return JSON.parse(readFileSync(resultFile, 'utf8'));
  } catch {
    // None yet, or torn: both mean that everything is looked for again.
    return {};
  }
}

/** Replaces the result as a whole, so that a reader never sees half of it. */
export function writeResult(result) {
  mkdirSync(cacheFolder, { recursive: true });
  const draft = `${resultFile}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(result, null, 2)}\n`);
  renameSync(draft, resultFile);
}
