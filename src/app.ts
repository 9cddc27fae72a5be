// The program: `node src/app.ts <noun> <verb>`. Composes the command line with what it may do and the
// way to the running server; everything heavy is loaded only by the command that needs it.
import { join } from 'node:path';
import { createOffline } from './app/offline.ts';
import { createApiClient } from './cli/api-client.ts';
import { runCommandLine } from './cli/command-line.ts';
import { outliveReaders } from './cli/output.ts';
import { createSession } from './cli/session.ts';
import type { Config } from './platform/config/config.ts';
import { loadConfig } from './platform/config/load-config.ts';
import { findRunFolder } from './platform/postgres/run-folder.ts';

/** Value of `--name VALUE` or `--name=VALUE` before anything else is parsed. */
function early(argv: readonly string[], name: string): string | undefined {
  const at = argv.findIndex((word) => word === `--${name}` || word.startsWith(`--${name}=`));
  const word = argv[at];
  if (word === undefined) return undefined;
  return word.includes('=') ? word.slice(word.indexOf('=') + 1) : argv[at + 1];
}

const argv = process.argv.slice(2);
const home = early(argv, 'home');
if (home !== undefined) process.env['POSTSEAL_HOME'] = home;
const configFile = early(argv, 'config');
// Workers read the same file.
if (configFile !== undefined) process.env['POSTSEAL_CONFIG'] = configFile;

let loaded: Config | undefined;
const config = (): Config => (loaded ??= loadConfig(configFile));

const api = createApiClient({
  socketPath: () => join(findRunFolder(config().home), 'api.sock'),
  token: () => session.token(),
});
const session = createSession({ home: () => config().home, env: process.env, api: () => api });

outliveReaders([process.stdout, process.stderr]);
process.exitCode = await runCommandLine(argv, {
  offline: createOffline({ config }),
  api,
  session,
});
