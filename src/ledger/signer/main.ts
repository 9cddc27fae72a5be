// The signer as a process of its own: it alone uses the signing key of the token, and it keeps its
// memory of the last root where no database restore reaches. Started by signer-process.ts.
// docs/formats/checkpoint.md "Signer".
import { PostsealError } from '../../kernel/errors.ts';
import { openKeyStore } from '../../vault/keys/open-key-store.ts';
import { openTileFiles } from '../tiles/tile-files.ts';
import { type CheckpointSigner, createSigner } from './signer.ts';
import type { FromSigner, SignerProcessConfig, ToSigner } from './signer-messages.ts';

/** Label of the signing key in the store. */
const keyLabel = 'ledger-checkpoint';

function say(message: FromSigner): void {
  if (process.connected) process.send?.(message);
}

function known(error: unknown): PostsealError {
  return error instanceof PostsealError ? error : new PostsealError('internal', {}, error);
}

async function start(config: SignerProcessConfig): Promise<CheckpointSigner> {
  const files = openTileFiles(config.dir);
  // A log keeps its key for ever: only one that has none yet gets one.
  const first = (await files.readPublicKey()) === undefined;
  const store = await openKeyStore(config.store, {
    folder: config.folder,
    organisationId: config.organisation,
    role: 'signer',
    first,
    // A thread that never comes back would hold up an orderly end for ever; the parent starts another process.
    onHung: () => process.kill(process.pid, 'SIGKILL'),
  });
  const signer = await createSigner({
    key: await (first ? store.ensureSigningKey(keyLabel) : store.findSigningKey(keyLabel)),
    origin: config.origin,
    files,
    stateFile: config.stateFile,
    alerts: { raise: ({ code, fields = {} }) => say({ kind: 'alert', code, fields }) },
  });
  return {
    ...signer,
    close: async () => {
      await signer.close();
      await store.close();
    },
  };
}

let signer: CheckpointSigner | undefined;
let ending = false;

async function end(code: number): Promise<void> {
  if (ending) return;
  ending = true;
  try {
    await signer?.close();
  } finally {
    process.exit(code);
  }
}

async function begin(config: SignerProcessConfig): Promise<void> {
  try {
    signer = await start(config);
    const { spki, size, root } = await signer.head();
    say({ kind: 'ready', spki: spki.toString('base64'), size, root: root.toString('base64') });
  } catch (error) {
    const { code, fields, exit } = known(error);
    say({ kind: 'failed', code, fields });
    process.exitCode = exit;
    if (process.connected) process.disconnect?.();
  }
}

async function sign(id: number, size: number, root: Buffer): Promise<void> {
  try {
    if (signer === undefined) throw new PostsealError('key.unavailable', { what: 'signer' });
    say({ kind: 'signed', id, note: await signer.sign({ size, root }) });
  } catch (error) {
    const { code, fields } = known(error);
    say({ kind: 'refused', id, code, fields });
  }
}

const handlers: {
  readonly [K in ToSigner['kind']]: (message: Extract<ToSigner, { kind: K }>) => Promise<void>;
} = {
  start: ({ config }) => begin(config),
  sign: ({ id, size, root }) => sign(id, size, Buffer.from(root, 'base64')),
  stop: () => end(0),
};

process.on('message', (message: ToSigner) => {
  const handle = handlers[message.kind] as (message: ToSigner) => Promise<void>;
  void handle(message);
});
// Without its parent nobody may ask, and nobody would end it.
process.on('disconnect', () => void end(Number(process.exitCode ?? 0)));
// A signal to the whole group is the parent's to handle: the last checkpoint is still to be signed.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => void end(0));
