// Where the set-up finds and keeps things. The cache folder is never committed and may be deleted.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const cacheFolder = join(root, '.postseal-cache');
const resultFile = join(cacheFolder, 'setup.json');
/** What the server reads when the configuration leaves the choice of the key store to the set-up. */
const tokenFile = join(cacheFolder, 'token.json');

/** What the last set-up found; `{}` when there was none. */
export function readResult() {
  try {
    return existsSync(tokenFile) ? JSON.parse(readFileSync(resultFile, 'utf8')) : {};
  } catch {
    // None yet, or torn: both mean that everything is looked for again.
    return {};
  }
}

/** Replaces the result as a whole, so that a reader never sees half of it. */
export function writeResult(result) {
  mkdirSync(cacheFolder, { recursive: true });
  const { kind, profile, module, from } = result.token;
  replaceFile(
    tokenFile,
    kind === 'keyfile' ? { profile: 'keyfile', from } : { profile, module, from },
  );
  replaceFile(resultFile, result);
}

function replaceFile(path, value) {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(value, null, 2)}\n`);
  renameSync(draft, path);
}
