// Signs checkpoints and remembers the last one outside PostgreSQL: whoever restores, cuts or forks the
// ledger meets a signer that refuses (c2sp.org/tlog-checkpoint: a log MUST NOT sign a checkpoint that
// is inconsistent with another). docs/formats/checkpoint.md "Signer".
import { IntegrityError, PostsealError } from '../../kernel/errors.ts';
import type { AlertBus } from '../../platform/alerts/alert-bus.ts';
import { checkpointText, isOrigin } from '../checkpoint/checkpoint.ts';
import { formatNote, noteDigest, noteKeyId } from '../checkpoint/signed-note.ts';
import { overTiles, type TileFiles } from '../tiles/tile-files.ts';
import { consistencyProof, treeRoot, verifyConsistency } from '../tree/proofs.ts';
import { readSignerState, type SignerState, writeSignerState } from './signer-state.ts';

/** The part of the key store's signing key that the signer needs. */
export interface CheckpointKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** DER of an ECDSA P-256 signature over a SHA-256 digest. */
  sign(digest: Uint8Array): Promise<Uint8Array>;
}

/** What the sequencer needs of the signer, in this process or over its socket. */
export interface CheckpointSigner {
  /** The public key, and what was signed last. Throws `key.unavailable` if it cannot be reached. */
  head(): Promise<{ readonly spki: Buffer; readonly size: number; readonly root: Buffer }>;
  /**
   * The signed note of a checkpoint over tiles that are durable. The same size and root may be asked
   * again. Throws `IntegrityError` on rollback or fork, `key.unavailable` (retryable) if the token
   * does not answer.
   */
  sign(checkpoint: { readonly size: number; readonly root: Uint8Array }): Promise<string>;
  close(): Promise<void>;
}

/** Where an alarm goes. */
export type AlertSink = Pick<AlertBus, 'raise'>;

export interface SignerDeps {
  readonly key: CheckpointKey;
  readonly origin: string;
  /** Read only. */
  readonly files: Pick<TileFiles, 'read' | 'readCheckpoint'>;
  /** Path of the signer's own memory; MUST NOT lie where the database's operator can restore it. */
  readonly stateFile: string;
  readonly alerts?: AlertSink;
}

export async function createSigner(deps: SignerDeps): Promise<CheckpointSigner> {
  if (!isOrigin(deps.origin)) throw new PostsealError('config.invalid', { at: 'ledger.origin' });
  let state = await readSignerState(deps.stateFile, {
    origin: deps.origin,
    spki: deps.key.spki,
    files: deps.files,
  });
  let last: Promise<unknown> = Promise.resolve();

  const signOne = async (size: number, root: Uint8Array): Promise<string> => {
    await refuseInconsistent(deps, state, { size, root });
    if (size !== state.size) {
      // Remembered first: a signature that was never published binds all the same.
      state = { origin: deps.origin, size, root: Buffer.from(root) };
      await writeSignerState(deps.stateFile, state);
    }
    const text = checkpointText({ origin: deps.origin, size, root: Buffer.from(root) });
    const signature = Buffer.from(await deps.key.sign(noteDigest(text)));
    return formatNote({
      text,
      signatures: [{ name: deps.origin, keyId: noteKeyId(deps.key.spki), signature }],
    });
  };

  return {
    head: () =>
      Promise.resolve({ spki: Buffer.from(deps.key.spki), size: state.size, root: state.root }),
    sign({ size, root }) {
      // One after the other: each is checked against the one before.
      const done = last.then(() => signOne(size, root));
      last = done.catch(() => undefined);
      return done;
    },
    close: async () => {
      await last;
    },
  };
}

async function refuseInconsistent(
  deps: SignerDeps,
  state: SignerState,
  asked: { readonly size: number; readonly root: Uint8Array },
): Promise<void> {
  const refuse = (what: string): never => {
    const fields = { what, signedSize: state.size, askedSize: asked.size, origin: deps.origin };
    deps.alerts?.raise({ code: 'ledger.signer-refused', fields });
    throw new IntegrityError('integrity.ledger', { place: 'checkpoint', ...fields });
  };
  if (asked.size < state.size) refuse('rollback');
  if (asked.size === state.size && state.size > 0) {
    if (!state.root.equals(asked.root)) refuse('fork');
    return;
  }
  const { root, proof } = await overTiles(deps.files, (getTile) => ({
    root: treeRoot(asked.size, getTile),
    proof: consistencyProof(state.size, asked.size, getTile),
  }));
  if (!root.equals(asked.root)) refuse('tiles');
  const claim = { size1: state.size, root1: state.root, size2: asked.size, root2: asked.root };
  if (!verifyConsistency(claim, proof)) refuse('fork');
}
