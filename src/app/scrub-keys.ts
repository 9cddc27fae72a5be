// A key service for one scrub: started from the tables, so that no key that a running one has in memory
// hides a changed row, and ended with the scrub. It opens no content.
import { join } from 'node:path';
import { findOrganisation } from '../archive/custodians.store.ts';
import { PostsealError } from '../kernel/errors.ts';
import type { Config } from '../platform/config/config.ts';
import type { Database } from '../platform/postgres/database.ts';
import { prepareRunFolder } from '../platform/postgres/run-folder.ts';
import { createKeyClient } from '../vault/keys/client.ts';
import type { KeyClient } from '../vault/keys/types.ts';
import { startKeyProcess } from '../vault/service/key-process.ts';
import { keyStoreChoice } from './key-child.ts';
import { nodeName } from './node-context.ts';

export interface ScrubKeys {
  readonly keys: KeyClient;
  close(): Promise<void>;
}

/** Code of an integrity failure of the root, which is a finding; undefined where there are no keys yet. */
export async function openScrubKeys(
  config: Config,
  at: { readonly database: Database; readonly databaseUrl: string },
): Promise<ScrubKeys | string | undefined> {
  const organisation = await findOrganisation(at.database);
  if (organisation === undefined) return undefined;
  const socketPath = join(prepareRunFolder(config.home), `scrub-${String(process.pid)}.sock`);
  try {
    const service = await startKeyProcess({
      config: {
        databaseUrl: at.databaseUrl,
        organisation,
        node: nodeName(config.home),
        folder: join(config.home, 'keys'),
        socketPath,
        store: keyStoreChoice(config),
      },
      // Callers get these failures too, and each becomes a finding or ends the scrub.
      onTrouble: () => undefined,
      onDeath: () => undefined,
    });
    const keys = createKeyClient({ socketPath });
    return {
      keys,
      async close() {
        await keys.close();
        await service.close();
      },
    };
  } catch (error) {
    if (error instanceof PostsealError && error.code.startsWith('integrity.')) return error.code;
    throw error;
  }
}
