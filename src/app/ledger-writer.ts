// The ledger's writers of a node: the signer as a process of its own, and the sequencer in the primary.
// The sequencer leaves the first public key beside the ledger and refuses another one.
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readHead } from '../ledger/sequencer/sequencer.store.ts';
import { createSequencer } from '../ledger/sequencer/sequencer.ts';
import { startSignerProcess } from '../ledger/signer/signer-process.ts';
import { signerStatePath } from '../ledger/signer/signer-state.ts';
import { openTileFiles } from '../ledger/tiles/tile-files.ts';
import type { AlertBus } from '../platform/alerts/alert-bus.ts';
import type { Config } from '../platform/config/config.ts';
import type { Log } from '../platform/log/log.ts';
import { openDatabase } from '../platform/postgres/database.ts';
import { keyStoreChoice } from './key-child.ts';
import type { NodeContext } from './node-context.ts';
import { sealerFor, systemClock } from './services.ts';

export interface LedgerWriter {
  /** Takes what waits, publishes, and ends the signer. */
  stop(): Promise<void>;
}

/** docs/formats/checkpoint.md: the organisation's domain and id name its log for ever. */
function originOf(config: Config, context: NodeContext): string {
  return `${config.organisation.domain}/log/${context.organisation}`;
}

export async function startLedger(
  config: Config,
  context: NodeContext,
  log: Log,
  alerts: AlertBus,
): Promise<LedgerWriter> {
  const dir = join(context.home, 'ledger');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const stateFile = signerStatePath(context.home);
  mkdirSync(dirname(stateFile), { recursive: true, mode: 0o700 });
  const database = await openDatabase({
    url: context.databaseUrl,
    poolMax: 1,
    name: 'postseal sequencer',
    onConnectionLost: (error) => log.warn('postgres.connection.lost', { error }),
  });
  // A log keeps the origin it began with, whatever the configuration says later.
  const origin = (await readHead(database.pool))?.origin ?? originOf(config, context);
  const signer = await startSignerProcess({
    config: {
      organisation: context.organisation,
      origin,
      dir,
      stateFile,
      folder: join(context.home, 'keys'),
      store: keyStoreChoice(config),
    },
    alerts,
  });
  const sequencer = createSequencer({
    database,
    files: openTileFiles(dir),
    origin,
    sealer: sealerFor(context, 'sequencer'),
    signer,
    clock: systemClock,
    alerts,
  });
  sequencer.start();
  return {
    async stop() {
      // One signer that hangs is waited for, not a second one.
      signer.lastCall();
      await sequencer.stop();
      const { failed } = sequencer.status();
      if (failed !== undefined) log.error('ledger.sequencer.failed', { error: failed });
      await signer.close();
      await database.close();
    },
  };
}
