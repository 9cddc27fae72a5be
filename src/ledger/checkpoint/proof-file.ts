// Offline receipts: c2sp.org/tlog-proof, an inclusion proof together with its checkpoint.
// Source of truth: docs/formats/checkpoint.md "Proof file". Pure.

export interface ProofFile {
  readonly index: number;
  readonly proof: readonly Uint8Array[];
  /** The signed note, verbatim. */
  readonly checkpoint: string;
}

const firstLine = 'c2sp.org/tlog-proof@v1';

export function formatProofFile(file: ProofFile): string {
  const hashes = file.proof.map((hash) => `${Buffer.from(hash).toString('base64')}\n`);
  return `${firstLine}\nindex ${file.index}\n${hashes.join('')}\n${file.checkpoint}`;
}

/** `undefined` unless the text is a proof file without extra data, exactly as written above. */
export function parseProofFile(text: string): ProofFile | undefined {
  const split = text.indexOf('\n\n');
  if (split < 0) return undefined;
  const [first, index = '', ...hashes] = text.slice(0, split).split('\n');
  if (first !== firstLine || !/^index (0|[1-9]\d*)$/.test(index)) return undefined;
  const file = {
    index: Number(index.slice(6)),
    proof: hashes.map((hash) => Buffer.from(hash, 'base64')),
    checkpoint: text.slice(split + 2),
  };
  return formatProofFile(file) === text && file.proof.every((hash) => hash.length === 32)
    ? file
    : undefined;
}
