// Whether a running server could leave core dumps, which hold keys (src/app/core-dumps.ts). Source: proc_pid_limits(5).
import { readFileSync } from 'node:fs';
import { homeLockHolder } from '../../platform/home/lock.ts';
import type { DoctorCheck } from './doctor-check.ts';

/** The soft limit as the kernel writes it, `0` or more or `unlimited`; undefined where it does not say. */
export function coreDumpBytes(pid: number | 'self'): string | undefined {
  try {
    const limits = readFileSync(`/proc/${String(pid)}/limits`, 'utf8');
    return /^Max core file size\s+(\S+)/m.exec(limits)?.[1];
  } catch {
    // No Linux, no such process, or one of somebody else.
    return undefined;
  }
}

export const coreDumpCheck: DoctorCheck = {
  name: 'core dumps',
  look({ config }) {
    const holder = homeLockHolder(config.home);
    if (holder === undefined) return { verdict: 'good', text: 'no server runs' };
    const bytes = coreDumpBytes(holder.pid);
    if (bytes === '0') return { verdict: 'good', text: 'the server and its processes leave none' };
    const text =
      bytes === undefined
        ? 'this machine does not say whether the server leaves any'
        : `the server may leave core dumps (limit ${bytes}), which hold keys`;
    return { verdict: 'warning', text, hint: 'start it under ulimit -c 0' };
  },
};
