// Checks a whole target: every digest, every tag, every piece against its own digest, and that every line of
// sets makes whole files. Needs the token, and nothing of a home.
import { createHash } from 'node:crypto';
import { IntegrityError } from '../../kernel/errors.ts';
import { linesOf, readSets, type SetDamage } from './read-sets.ts';
import { checkBackupDigest, type FileKeys, SealedReader } from './sealed-reader.ts';
import { foldPieces, type Piece } from './set.ts';
import { objectPath } from './target.ts';
import { continues, isSegment } from './wal-name.ts';

export interface BackupVerdict {
  readonly sets: number;
  readonly objects: number;
  readonly pieces: number;
  readonly findings: readonly SetDamage[];
}

const segmentBytes = 16_777_216;

export async function verifyBackup(
  target: string,
  keys: FileKeys,
  onProgress: (done: number, total: number) => void,
): Promise<BackupVerdict> {
  const findings: SetDamage[] = [];
  const sets = await readSets(target, keys, (damage) => findings.push(damage));
  const objects = new Map<string, Map<string, Piece>>();
  for (const piece of sets.flatMap((set) => set.pieces)) {
    const known = objects.get(piece.object) ?? new Map<string, Piece>();
    known.set(`${String(piece.at)} ${String(piece.length)} ${piece.sha256}`, piece);
    objects.set(piece.object, known);
  }
  let done = 0;
  let pieces = 0;
  for (const [object, named] of objects) {
    try {
      await verifyObject(objectPath(target, object), [...named.values()], keys);
    } catch (error) {
      findings.push(damageOf(error, `${object}.obj`));
    }
    pieces += named.size;
    done += 1;
    onProgress(done, objects.size);
  }
  const lines = linesOf(sets);
  const hung = new Set(lines.flatMap(({ base, tails }) => [base, ...tails].map(({ set }) => set)));
  for (const { set, previous } of sets) {
    const lost = !hung.has(set) && !sets.some((other) => other.set === previous);
    if (lost) findings.push({ place: `set ${set}`, what: 'the set before it is missing' });
  }
  for (const { base, tails } of lines) {
    try {
      const files = foldPieces([base, ...tails].flatMap((set) => set.pieces));
      const wal = [...files.values()]
        .flat()
        .filter(({ area, path }) => area === 'wal' && isSegment(path));
      const names = wal.map(({ path }) => path).sort();
      const begins = base.wal === null || names.includes(base.wal.start);
      if (!begins || !continues(undefined, names, segmentBytes)) {
        findings.push({ place: `set ${base.set}`, what: 'WAL is missing' });
      }
    } catch (error) {
      findings.push(damageOf(error, `set ${base.set}`));
    }
  }
  return { sets: sets.length, objects: objects.size, pieces, findings };
}

async function verifyObject(path: string, pieces: readonly Piece[], keys: FileKeys): Promise<void> {
  await checkBackupDigest(path);
  const reader = await SealedReader.open(path, 'object', keys);
  try {
    for (const piece of pieces) {
      const digest = createHash('sha256');
      for await (const bytes of reader.read(piece.at, piece.at + piece.length)) {
        digest.update(bytes);
      }
      if (digest.digest('hex') === piece.sha256) continue;
      const place = `${piece.object}.obj at ${String(piece.at)}`;
      throw new IntegrityError('integrity.backup', { place, what: 'digest of a piece' });
    }
  } finally {
    await reader.close();
  }
}

function damageOf(error: unknown, place: string): SetDamage {
  if (!(error instanceof IntegrityError)) throw error;
  const { fields } = error;
  return { place: String(fields['place'] ?? place), what: String(fields['what'] ?? error.code) };
}
