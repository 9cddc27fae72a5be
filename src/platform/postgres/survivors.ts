// Processes of an earlier run that still work in a data folder. PostgreSQL's processes all stand in
// their data folder (pg_ctl relies on it too), so /proc/PID/cwd is the exact list.
import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PostsealError } from '../../kernel/errors.ts';

/** Pids of every process whose working folder is `data`. */
export function processesIn(data: string): number[] {
  const found: number[] = [];
  for (const name of readOptionalFolder('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (readlinkSync(`/proc/${name}/cwd`) === data) found.push(Number(name));
    } catch {
      // It ended meanwhile, or it is somebody else's: not one of ours.
    }
  }
  return found;
}

/**
 * Waits until nothing of an earlier run works in `data`, helping after a while, and removes the stale
 * postmaster.pid. Must hold the home's lock, so nobody else can be starting here.
 * @throws PostsealError `database.embedded-failed` when a process cannot be made to end.
 */
export async function clearSurvivors(data: string): Promise<void> {
  const signals: readonly (NodeJS.Signals | undefined)[] = [
    undefined,
    'SIGINT',
    'SIGQUIT',
    'SIGKILL',
  ];
  for (const signal of signals) {
    if (signal !== undefined) signalAll(postmasterFirst(data, signal), signal);
    for (let tries = 0; tries < 100; tries += 1) {
      if (processesIn(data).length === 0) {
        rmSync(join(data, 'postmaster.pid'), { force: true });
        return;
      }
      await sleep(100);
    }
  }
  throw new PostsealError('database.embedded-failed', { reason: 'old-processes-remain', data });
}

/** A postmaster ends its children itself; only the last signal goes to all. */
function postmasterFirst(data: string, signal: NodeJS.Signals): number[] {
  const all = processesIn(data);
  const postmaster = readPostmasterPid(data);
  if (signal === 'SIGKILL' || postmaster === undefined || !all.includes(postmaster)) return all;
  return [postmaster];
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended between the look and the signal.
    }
  }
}

/** The pid in the first line of postmaster.pid, if the file is there. */
export function readPostmasterPid(data: string): number | undefined {
  const pid = Number(readPostmasterFile(data)?.[0]);
  return Number.isInteger(pid) && pid > 0 ? pid : undefined;
}

/** Whether postmaster.pid says that `pid` takes connections (its eighth line, PM_STATUS_READY). */
export function isReady(data: string, pid: number): boolean {
  const lines = readPostmasterFile(data);
  return lines?.[0] === String(pid) && lines[7]?.trim() === 'ready';
}

function readPostmasterFile(data: string): string[] | undefined {
  try {
    return readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    // No file means no server, which is an answer.
    return undefined;
  }
}

function readOptionalFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    // Without procfs PostgreSQL's own lock file is the only guard.
    return [];
  }
}
