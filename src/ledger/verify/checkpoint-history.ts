// The published checkpoint and the kept ones: signature, origin, name, and the root of their size.
// Source of truth: docs/formats/checkpoint.md.
import { join, relative } from 'node:path';
import { type Checkpoint, openCheckpoint } from '../checkpoint/checkpoint.ts';
import { checkpointPath, readIfThere } from '../tiles/tile-files.ts';
import type { Findings } from './finding.ts';
import { walkFiles } from './walk-files.ts';

export interface NamedCheckpoint extends Checkpoint {
  /** `checkpoint`, or the path under checkpoints/. */
  readonly place: string;
}

/** Opens all of them, by size; what does not open is a finding. */
export async function readCheckpoints(
  dir: string,
  log: { readonly origin: string; readonly spki: Uint8Array },
  findings: Findings,
): Promise<{
  readonly published: NamedCheckpoint | undefined;
  readonly all: readonly NamedCheckpoint[];
}> {
  const all: NamedCheckpoint[] = [];
  const open = (place: string, bytes: Uint8Array): NamedCheckpoint | undefined => {
    const opened = openCheckpoint(bytes, log);
    if (typeof opened === 'string') {
      findings.add(place, opened);
      return undefined;
    }
    const named = { place, origin: opened.origin, size: opened.size, root: opened.root };
    all.push(named);
    return named;
  };
  // The published one is read first: what it needs can only have grown since.
  const bytes = await readIfThere(join(dir, 'checkpoint'));
  const published = bytes === undefined ? undefined : open('checkpoint', bytes);
  for await (const path of walkFiles(join(dir, 'checkpoints'))) {
    const place = relative(dir, path);
    if (path.endsWith('.new')) {
      findings.note(place, 'left over');
      continue;
    }
    const kept = open(place, (await readIfThere(path)) ?? Buffer.alloc(0));
    if (kept !== undefined && checkpointPath(kept.size) !== place)
      findings.add(place, 'size', String(kept.size));
  }
  if (bytes === undefined && all.length > 0) findings.add('checkpoint', 'missing');
  // A kept checkpoint is written just before it is published, so it may be ahead by that one. The
  // published one is read again: the log has gone on while the history was read.
  const later = openCheckpoint(
    (await readIfThere(join(dir, 'checkpoint'))) ?? Buffer.alloc(0),
    log,
  );
  const reached = typeof later === 'string' ? (published?.size ?? 0) : later.size;
  const ahead = all.filter((one) => one.size > reached);
  if (published !== undefined && ahead.length > 1) {
    findings.add(
      'checkpoint',
      'rollback',
      `published ${reached}, kept up to ${ahead.at(-1)?.size ?? 0}`,
    );
  }
  return { published, all: all.sort((a, b) => a.size - b.size) };
}
