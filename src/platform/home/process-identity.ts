// Who a process is, beyond its number: numbers are reused, (boot, pid, start tick) are not.
// Source: proc(5), field 22 of /proc/PID/stat. Elsewhere than on Linux only the number is known.
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot at which the process began; 0 where the system does not tell. */
  readonly startTicks: number;
  /** Random id of this boot; empty where the system does not tell. */
  readonly bootId: string;
}

/** The identity of `pid` now, or undefined when there is no such process (a zombie counts as gone). */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const stat = readOptional(`/proc/${pid}/stat`);
  if (stat !== undefined) {
    // The name in parentheses may hold blanks, so fields are counted after its closing one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return { pid, startTicks: Number(fields[19] ?? 0), bootId: bootId() };
  }
  if (process.platform === 'linux') return undefined;
  try {
    process.kill(pid, 0);
    return { pid, startTicks: 0, bootId: '' };
  } catch {
    // ESRCH and EPERM both mean that it is not a process of ours.
    return undefined;
  }
}

/** Whether the process that `known` described still runs. */
export function isAlive(known: ProcessIdentity): boolean {
  const now = identifyProcess(known.pid);
  return now !== undefined && now.startTicks === known.startTicks && now.bootId === known.bootId;
}

function bootId(): string {
  return readOptional('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Absent is the answer here: the process ended, or there is no procfs.
    return undefined;
  }
}
