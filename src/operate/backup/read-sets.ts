// Reads the sets of a target and puts them in the order in which they follow each other.
// docs/formats/backup.md "Set".
import { IntegrityError } from '../../kernel/errors.ts';
import { checkBackupDigest, type FileKeys, readBackupHead, SealedReader } from './sealed-reader.ts';
import { type BackupSet, decodeSet } from './set.ts';
import { listSetFiles } from './target.ts';

export interface SetDamage {
  /** File in the target. */
  readonly place: string;
  readonly what: string;
}

/** Undefined for a target without a set that can be read. */
export async function organisationOf(target: string): Promise<string | undefined> {
  for (const { path } of (await listSetFiles(target)).toReversed()) {
    try {
      return (await readBackupHead(path)).organisationId;
    } catch (error) {
      // A damaged one is told when sets are read; any other says the same.
      if (!(error instanceof IntegrityError)) throw error;
    }
  }
  return undefined;
}

export async function readSet(path: string, keys: FileKeys): Promise<BackupSet> {
  await checkBackupDigest(path);
  const reader = await SealedReader.open(path, 'set', keys);
  try {
    const parts: Uint8Array[] = [];
    for await (const part of reader.read(0, reader.plainLength)) parts.push(part);
    return decodeSet(Buffer.concat(parts));
  } finally {
    await reader.close();
  }
}

/** Every set that is whole, oldest first; the others are told to `onDamage`. */
export async function readSets(
  target: string,
  keys: FileKeys,
  onDamage: (damage: SetDamage) => void,
): Promise<BackupSet[]> {
  const sets: BackupSet[] = [];
  for (const { path } of await listSetFiles(target)) {
    try {
      sets.push(await readSet(path, keys));
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      const { place, what } = error.fields;
      onDamage({ place: String(place ?? path), what: String(what ?? error.code) });
    }
  }
  return sets;
}

/** A set that stands alone, and the tails behind it, in their order. */
export interface Line {
  readonly base: BackupSet;
  readonly tails: readonly BackupSet[];
}

/** The lines of a target, oldest first. A tail whose forerunner is missing ends its line before it. */
export function linesOf(sets: readonly BackupSet[]): Line[] {
  return sets
    .filter(({ kind }) => kind !== 'tail')
    .map((base) => {
      const next = new Map<string, BackupSet>();
      // Of two with one forerunner the later repeats the earlier and is the one that was gone on from.
      for (const set of sets) if (set.previous !== null) next.set(set.previous, set);
      const tails: BackupSet[] = [];
      for (let at = next.get(base.set); at !== undefined; at = next.get(at.set)) tails.push(at);
      return { base, tails };
    });
}

/** Everything acknowledged before this instant is in the line (RFC 3339). */
export function reachOf({ base, tails }: Line): string {
  return (
    [base, ...tails]
      .map(({ coveredUntil }) => coveredUntil)
      .sort()
      .at(-1) ?? ''
  );
}
