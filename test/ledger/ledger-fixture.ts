// A ledger on a real database and a real folder, with the signer in this process.
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OrganisationId } from '../../src/kernel/ids.ts';
import { uuidV4 } from '../../src/kernel/ids.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import type { EventDraft, SealedEvent } from '../../src/ledger/event/draft.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import { createEventSealer } from '../../src/ledger/event/event-sealer.ts';
import { withEvents } from '../../src/ledger/event/inbox.store.ts';
import type { SequencerOptions } from '../../src/ledger/sequencer/sequencer.ts';
import { createSequencer } from '../../src/ledger/sequencer/sequencer.ts';
import type { AlertSink, CheckpointKey, CheckpointSigner } from '../../src/ledger/signer/signer.ts';
import { createSigner } from '../../src/ledger/signer/signer.ts';
import { openTileFiles } from '../../src/ledger/tiles/tile-files.ts';
import { verifyLedger } from '../../src/ledger/verify/verify-ledger.ts';
import type { Database } from '../../src/platform/postgres/database.ts';
import { signDigest } from '../../src/vault/keyfile/sign-digest.ts';

export const origin = 'example.com/log/test';
export const clock = { now: () => Date.now() as UnixMs };
const organisation = uuidV4(Buffer.alloc(16, 7)) as OrganisationId;

export const newSealer = (component: string) =>
  createEventSealer({
    node: 'n1',
    boot: uuidV4(randomBytes(16)),
    organisation,
    component,
    clock,
    random: (n) => randomBytes(n),
  });

/** P-256 in software behind the port of the key store; the file lets a second process sign too. */
export function softwareKey(path: string): CheckpointKey {
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    pem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' });
    writeFileSync(path, pem);
  }
  return keyOf(pem);
}

function keyOf(pem: string): CheckpointKey {
  const key = createPrivateKey(pem);
  const spki = createPublicKey(pem).export({ type: 'spki', format: 'der' });
  return {
    spki,
    sign: (digest) => Promise.resolve(signDigest(key, digest)),
  };
}

export interface LedgerFixture {
  readonly dir: string;
  readonly stateFile: string;
  readonly key: CheckpointKey;
  readonly signer: CheckpointSigner;
  readonly alerts: Parameters<AlertSink['raise']>[0][];
  readonly sink: AlertSink;
  sequencer(options?: Partial<SequencerOptions>): ReturnType<typeof createSequencer>;
  record(drafts: readonly EventDraft[]): Promise<readonly SealedEvent[]>;
  verify(): ReturnType<typeof verifyLedger>;
}

export async function openLedgerFixture(
  database: Database,
  home = newHome(),
): Promise<LedgerFixture> {
  const dir = join(home, 'ledger');
  const files = openTileFiles(dir);
  const stateFile = join(home, 'signer', 'state');
  const key = softwareKey(join(home, 'key.pem'));
  const alerts: Parameters<AlertSink['raise']>[0][] = [];
  const sink: AlertSink = { raise: (alert) => alerts.push(alert) };
  const signer = await createSigner({ key, origin, files, stateFile, alerts: sink });
  const sealer = newSealer('test');
  return {
    dir,
    stateFile,
    key,
    signer,
    alerts,
    sink,
    sequencer: (options = {}) =>
      createSequencer({
        database,
        files,
        origin,
        sealer: newSealer('sequencer'),
        signer,
        clock,
        alerts: sink,
        options: { historyMs: 0, retryMs: 20, ...options },
      }),
    record: (drafts) =>
      withEvents(database, sealer, drafts, (_client, events) => Promise.resolve(events)),
    verify: () =>
      verifyLedger({
        database: database.pool,
        dir,
        publicKey: key.spki,
        signerState: stateFile,
        settleMs: 0,
      }),
  };
}

export const newHome = () => mkdtempSync(join(tmpdir(), 'postseal-ledger-'));

export const someDraft = (i: number): EventDraft => ({
  op: i % 3 === 0 ? 'mail.received' : 'message.flags-changed',
  outcome: i % 7 === 0 ? 'failure' : 'success',
  actor: i % 2 === 0 ? systemActor : { role: 'owner', p: 'ab'.repeat(32), auth: 'password' },
  objects: [{ t: 'mbx', id: uuidV4(Buffer.alloc(16, i % 5)), n: i }],
  fields: { i },
});
