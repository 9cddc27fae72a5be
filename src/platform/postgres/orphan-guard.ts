// No orphan: a tiny shell holds the other end of a pipe to us. When we end in any way, kill -9 included,
// the kernel closes the pipe, and the shell stops PostgreSQL: fast, then at once, then for good.
// It acts on a process only while that process stands in the data folder (numbers are reused).
import { spawn } from 'node:child_process';

export interface OrphanGuard {
  /** Names the process to stop when we vanish. */
  watch(pid: number): void;
  /** PostgreSQL ended; the guard goes home. */
  dismiss(): void;
}

const script = `
data=$1
pid=
if read -r pid; then
  if read -r word && [ "$word" = done ]; then exit 0; fi
fi
tries=0
while [ -z "$pid" ] && [ "$tries" -lt 20 ]; do
  [ -r "$data/postmaster.pid" ] && read -r pid < "$data/postmaster.pid"
  tries=$((tries + 1)); [ -z "$pid" ] && sleep 0.1
done
[ -n "$pid" ] || exit 0
ours() { [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$data" ]; }
# A process that was just started has not entered its folder yet.
tries=0
while ! ours && [ -d "/proc/$pid" ] && [ "$tries" -lt 20 ]; do tries=$((tries + 1)); sleep 0.1; done
for round in INT:150 QUIT:50 KILL:50; do
  ours || exit 0
  kill -s "\${round%%:*}" "$pid" 2>/dev/null
  tries=0
  while ours && [ "$tries" -lt "\${round##*:}" ]; do tries=$((tries + 1)); sleep 0.1; done
done
`;

/** Starts the guard of the cluster in `data`; call it before PostgreSQL starts. */
export function startOrphanGuard(data: string): OrphanGuard {
  const child = spawn('/bin/sh', ['-c', script, 'postseal-orphan-guard', data], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // Its own session: a Ctrl-C or a kill of our process group must not take the guard first.
    detached: true,
    cwd: '/',
    env: { PATH: process.env['PATH'] },
  });
  child.unref();
  // A guard that fails to start or dies early leaves us as we would be without one.
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  (child.stdin as unknown as { unref?: () => void }).unref?.();
  return {
    watch: (pid) => {
      child.stdin.write(`${pid}\n`);
    },
    dismiss: () => {
      child.stdin.end('done\n');
    },
  };
}
