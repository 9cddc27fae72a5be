// The key service as a process: the only one that holds the token's login and unwrapped keys of
// custodians and groups. Started by key-process.ts, which sends the configuration; ends with its parent.
import { randomBytes } from 'node:crypto';
import { PostsealError } from '../../kernel/errors.ts';
import { uuidV4, type OrganisationId } from '../../kernel/ids.ts';
import type { UnixMs } from '../../kernel/time.ts';
import { createEventSealer } from '../../ledger/event/event-sealer.ts';
import { openDatabase } from '../../platform/postgres/database.ts';
import { openKeyStore } from '../keys/open-key-store.ts';
import { readGenerations } from './key-rows.store.ts';
import { startKeyService } from './key-service.ts';
import type { FromKeyProcess, KeyProcessConfig, ToKeyProcess } from './process-messages.ts';

const now = (): UnixMs => Date.now() as UnixMs;
/** Reads and small writes; the calls of nodes rarely need either. */
const connections = 3;
/** For the message that tells the parent why this process ends. */
const lastWordsMs = 200;

function say(message: FromKeyProcess): void {
  if (process.connected) process.send?.(message);
}

function trouble(error: unknown): void {
  const known = error instanceof PostsealError ? error : new PostsealError('internal', {}, error);
  const name = error instanceof Error ? error.name : 'unknown';
  const fields = known === error ? known.fields : { ...known.fields, name };
  say({ kind: 'trouble', code: known.code, fields });
}

/** A thread that never comes back would hold up an orderly end for ever. */
function onHung(): void {
  trouble(new PostsealError('key.unavailable', { reason: 'hung' }));
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), lastWordsMs);
}

interface Started {
  readonly port: number | undefined;
  readonly close: () => Promise<void>;
}

async function start(config: KeyProcessConfig): Promise<Started> {
  const organisation = config.organisation as OrganisationId;
  const database = await openDatabase({
    url: config.databaseUrl,
    poolMax: connections,
    name: 'postseal keys',
    onConnectionLost: trouble,
  });
  const store = await openKeyStore(config.store, {
    folder: config.folder,
    organisationId: organisation,
    role: 'keys',
    first: (await readGenerations(database.pool, organisation)).length === 0,
    onHung,
  });
  const sealer = createEventSealer({
    node: config.node,
    boot: uuidV4(randomBytes(16)),
    organisation,
    component: 'keys',
    clock: { now },
    random: (n) => randomBytes(n),
  });
  const { socketPath, limits, listener } = config;
  const base = { database, store, organisation, sealer, socketPath, now, onError: trouble };
  const deps = {
    ...base,
    ...(limits === undefined ? {} : { limits }),
    ...(listener === undefined ? {} : { listener }),
  };
  const service = await startKeyService(deps);
  const close = async (): Promise<void> => {
    await service.close();
    await store.close();
    await database.close();
  };
  return { port: service.port, close };
}

let stop: (() => Promise<void>) | undefined;
let stopping = false;

async function end(code: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  try {
    await stop?.();
  } finally {
    process.exit(code);
  }
}

process.on('message', (message: ToKeyProcess) => {
  if (message.kind === 'stop') {
    void end(0);
    return;
  }
  start(message.config).then(
    ({ port, close }) => {
      stop = close;
      say({ kind: 'ready', port });
    },
    (error: unknown) => {
      const known =
        error instanceof PostsealError ? error : new PostsealError('internal', {}, error);
      say({ kind: 'failed', code: known.code, fields: known.fields });
      process.exitCode = known.exit;
      if (process.connected) process.disconnect?.();
    },
  );
});
// Without its parent nobody may ask, and nobody would end it.
process.on('disconnect', () => void end(Number(process.exitCode ?? 0)));
// A signal to the whole group is the parent's to handle: calls under way are answered until it says stop.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => void end(0));
