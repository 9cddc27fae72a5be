// What every process of a node knows after the primary has started: plain values, so that they can
// travel to workers over IPC. Secrets travel here and in no argument or environment variable.
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OrganisationId } from '../kernel/ids.ts';
import type { Config } from '../platform/config/config.ts';
import { prepareRunFolder } from '../platform/postgres/run-folder.ts';
import type { RemoteKeys } from '../vault/keys/key-endpoint.ts';

export interface NodeContext {
  readonly home: string;
  readonly databaseUrl: string;
  readonly organisation: OrganisationId;
  /** Name of this node in every leaf: random, stable over restarts, tells nothing about the machine. */
  readonly node: string;
  readonly keySocket: string;
  /** The key service of another machine, which then goes before the socket. */
  readonly remoteKeys?: RemoteKeys | undefined;
}

/** As the configuration says; undefined where the node runs its own key service. */
export function remoteKeysOf({ keyService }: Config): RemoteKeys | undefined {
  const { remote } = keyService;
  if (remote === undefined) return undefined;
  const { serverCa, ...rest } = remote;
  return { ...rest, ca: serverCa };
}

/** Where the key service of a home listens. */
export function keySocketOf(home: string): string {
  return join(prepareRunFolder(home), 'keys.sock');
}

/** Reads, or makes at the first start, the node's name. */
export function nodeName(home: string): string {
  const path = join(home, 'node-name');
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const name = `n-${randomBytes(4).toString('hex')}`;
  writeFileSync(path, `${name}\n`, { mode: 0o600 });
  return name;
}
