// Where the set-up finds and keeps things. The cache folder is never committed and may be deleted.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const cacheFolder = join(root, '.postseal-cache');
const resultFile = join(cacheFolder, 'setup.json');
/** What the server reads for a home that is new, when its configuration leaves the key store to the set-up. */
const tokenFile = join(cacheFolder, 'token.json');

/** What the last set-up found on this machine; `{}` when there was none. */
export function readResult() {
  try {
    const { token, ...result } = JSON.parse(readFileSync(resultFile, 'utf8'));
    const known = existsSync(tokenFile) && isOfMachine(token);
    return known ? { ...result, token } : result;
  } catch {
    // None yet, or torn: both mean that everything is looked for again.
    return {};
  }
}

/** A token that a configuration names is for the home of that configuration alone. */
function isOfMachine(token) {
  return token !== undefined && token.from !== 'configured';
}

/** Replaces the result where it has changed, as a whole, so that a reader never sees half of it. */
export function writeResult(found) {
  const earlier = readResult();
  const token = isOfMachine(found.token) ? found.token : earlier.token;
  const result = { ...found, token };
  if (JSON.stringify(result) === JSON.stringify(earlier)) return;
  mkdirSync(cacheFolder, { recursive: true });
  if (token === undefined) rmSync(tokenFile, { force: true });
  else {
    const { kind, profile, module, from } = token;
    replaceFile(
      tokenFile,
      kind === 'keyfile' ? { profile: 'keyfile', from } : { profile, module, from },
    );
  }
  replaceFile(resultFile, result);
}

function replaceFile(path, value) {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(value, null, 2)}\n`);
  renameSync(draft, path);
}
