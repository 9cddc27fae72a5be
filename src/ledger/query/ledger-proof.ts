// Offline receipt of one leaf: inclusion proof from the tiles, with the published checkpoint.
// Source of truth: docs/formats/checkpoint.md "Proof file".
import { IntegrityError, PostsealError } from '../../kernel/errors.ts';
import { parseCheckpointText } from '../checkpoint/checkpoint.ts';
import { formatProofFile } from '../checkpoint/proof-file.ts';
import { parseNote } from '../checkpoint/signed-note.ts';
import { overTiles, type TileFiles } from '../tiles/tile-files.ts';
import { inclusionProof } from '../tree/proofs.ts';

/**
 * Text of a `.tlog-proof` file. Throws `ledger.stalled` (retryable) if the checkpoint does not cover
 * the leaf yet.
 */
export async function ledgerProof(
  files: Pick<TileFiles, 'read' | 'readCheckpoint'>,
  seq: number,
): Promise<string> {
  const bytes = await files.readCheckpoint();
  if (bytes === undefined)
    throw new PostsealError('ledger.stalled', { what: 'no checkpoint yet', seq });
  const note = parseNote(bytes);
  const checkpoint = note === undefined ? undefined : parseCheckpointText(note.text);
  if (checkpoint === undefined)
    throw new IntegrityError('integrity.ledger', { place: 'checkpoint', what: 'encoding' });
  if (seq >= checkpoint.size)
    throw new PostsealError('ledger.stalled', { size: checkpoint.size, seq });
  const proof = await overTiles(files, (getTile) => inclusionProof(seq, checkpoint.size, getTile));
  return formatProofFile({ index: seq, proof, checkpoint: bytes.toString('utf8') });
}
