// One `.tlog-proof` and the leaf that it is about (docs/formats/checkpoint.md "Proof file").
import { leafHash, provesInclusion } from './hashes.ts';
import { type LogKey, openCheckpoint } from './note.ts';

export interface ProofReport {
  readonly verdict: 'clean' | 'tampered';
  readonly index?: number;
  readonly size?: number;
  readonly origin?: string;
  readonly what?: string;
}

const head = 'c2sp.org/tlog-proof@v1\n';

/** Checks that `leaf` is in the tree whose checkpoint the proof carries, and that `key` signed it. */
export function verifyProof(file: Buffer, leaf: Buffer, key: LogKey): ProofReport {
  const tampered = (what: string): ProofReport => ({ verdict: 'tampered', what });
  const text = file.toString('utf8');
  const split = text.indexOf('\n\n');
  if (!text.startsWith(head) || split < 0) return tampered('not a proof file');
  const [indexLine = '', ...lines] = text.slice(head.length, split).split('\n');
  const index = /^index (0|[1-9]\d{0,15})$/.exec(indexLine)?.[1];
  const hashes = lines.map((line) => Buffer.from(line, 'base64'));
  const strict = hashes.every(
    (hash, i) => hash.length === 32 && hash.toString('base64') === lines[i],
  );
  if (index === undefined || !strict) return tampered('not a proof file');
  const checkpoint = openCheckpoint(Buffer.from(text.slice(split + 2)), key);
  if (typeof checkpoint === 'string') return tampered(`checkpoint: ${checkpoint}`);
  const claim = { index: Number(index), hash: leafHash(leaf), ...checkpoint };
  if (!provesInclusion(claim, hashes)) return tampered('the leaf is not in the tree');
  return { verdict: 'clean', index: claim.index, size: claim.size, origin: claim.origin };
}
