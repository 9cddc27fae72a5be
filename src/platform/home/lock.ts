// One Postseal a home. The lock is a file with the holder's identity; a holder that no longer runs
// (kill -9, power cut, number reused) is recognised and its lock is taken over.
import { linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';
import { identifyProcess, isAlive } from './process-identity.ts';
import type { ProcessIdentity } from './process-identity.ts';

export interface HomeLock {
  /** Whether a dead holder's lock was taken over: the last run did not end cleanly. */
  readonly recovered: boolean;
  release(): void;
}

const fileName = 'lock';

/**
 * Takes the lock of `home`, which must exist.
 * @throws PostsealError `home.locked` with the holder's pid; `home.not-writable`.
 */
export function acquireHomeLock(home: string): HomeLock {
  const path = join(home, fileName);
  const own = identifyProcess(process.pid) ?? { pid: process.pid, startTicks: 0, bootId: '' };
  const content = `${JSON.stringify(own)}\n`;
  let recovered = false;
  for (let attempt = 0; attempt < 5; attempt += 1) {
    if (linkNew(path, content)) return { recovered, release: () => release(path, content) };
    const held = readOptional(path);
    if (held === undefined) continue;
    const holder = parseHolder(held);
    if (holder !== undefined && isAlive(holder)) {
      throw new PostsealError('home.locked', { home, pid: holder.pid });
    }
    recovered = takeAway(path, held) || recovered;
  }
  throw new PostsealError('home.locked', { home });
}

/** Who holds `home` now, if anyone alive does. */
export function homeLockHolder(home: string): ProcessIdentity | undefined {
  const held = readOptional(join(home, fileName));
  const holder = held === undefined ? undefined : parseHolder(held);
  return holder !== undefined && isAlive(holder) ? holder : undefined;
}

/** A link of a finished file: nobody ever sees a lock without its content. */
function linkNew(path: string, content: string): boolean {
  const draft = `${path}.${process.pid}`;
  try {
    writeFileSync(draft, content, { mode: 0o600 });
    linkSync(draft, path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw writeError(path, cause);
  } finally {
    unlinkOptional(draft);
  }
}

/** Moves a stale lock aside; if another starter was quicker, its fresh lock is put back. */
function takeAway(path: string, judged: string): boolean {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw writeError(path, cause);
  }
  const moved = readOptional(aside);
  try {
    if (moved !== judged) linkSync(aside, path);
  } catch {
    // A third starter holds it already, which the next attempt will see.
  }
  unlinkOptional(aside);
  return moved === judged;
}

function release(path: string, content: string): void {
  if (readOptional(path) === content) unlinkOptional(path);
}

function writeError(path: string, cause: unknown): PostsealError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
  return new PostsealError(
    code === 'ENOSPC' ? 'home.disk-full' : 'home.not-writable',
    { path, reason: code },
    cause,
  );
}

function parseHolder(text: string): ProcessIdentity | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { pid, startTicks, bootId } = value as Partial<Record<keyof ProcessIdentity, unknown>>;
    if (typeof pid !== 'number' || typeof startTicks !== 'number') return undefined;
    return { pid, startTicks, bootId: typeof bootId === 'string' ? bootId : '' };
  } catch {
    // A torn file after a power cut has no living holder.
    return undefined;
  }
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Absent is an answer: nobody holds the lock.
    return undefined;
  }
}

function unlinkOptional(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is gone, which is what was wanted.
  }
}
