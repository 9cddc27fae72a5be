// A core dump would hold every key that a process has open. Node cannot set limits, but a shell can: the server
// puts itself anew under `ulimit -c 0`, in the same process, before it opens anything, and all its children inherit
// that. Source: setrlimit(2), execve(2).
import { coreDumpBytes } from '../operate/doctor/core-dump-check.ts';

/** Does not return where core dumps were possible. Called before anything is opened: open files do not survive it. */
export function forbidCoreDumps(): void {
  const bytes = coreDumpBytes('self');
  if (bytes === undefined || bytes === '0' || process.execve === undefined) return;
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  // Lowering a limit needs no right; the second `exec` ends the shell.
  const script = 'ulimit -c 0 && exec "$0" "$@"';
  process.execve('/bin/sh', ['sh', '-c', script, ...command], process.env);
}
