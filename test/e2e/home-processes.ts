// Which processes work for a home: the primary, its children, PostgreSQL and the guard that stands beside
// it. Read from procfs, so that what was left behind by a kill is found too.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface HomeProcess {
  readonly pid: number;
  readonly command: string;
}

function readOptional(read: () => string): string {
  try {
    return read();
  } catch {
    // It ended meanwhile, or it is somebody else's.
    return '';
  }
}

/** Everything that runs with this home in its environment, its arguments or as its folder. */
export function homeProcesses(home: string): HomeProcess[] {
  const found: HomeProcess[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const command = readOptional(() => readFileSync(`/proc/${name}/cmdline`, 'utf8'));
    const environment = readOptional(() => readFileSync(`/proc/${name}/environ`, 'utf8'));
    const folder = readOptional(() => readlinkSync(`/proc/${name}/cwd`));
    const state = readOptional(() => readFileSync(`/proc/${name}/stat`, 'utf8'));
    // A dead process that its parent has not collected yet runs no more.
    if (state === '' || /^\d+ \(.*\) [ZX] /s.test(state)) continue;
    const ours =
      environment.split('\0').includes(`POSTSEAL_HOME=${home}`) ||
      command.includes(home) ||
      folder.startsWith(home);
    if (ours) found.push({ pid: Number(name), command: command.replaceAll('\0', ' ').trim() });
  }
  return found;
}

/** The process of the home whose command line has `part`; throws when there is none. */
export function homeProcess(home: string, part: string): HomeProcess {
  const found = homeProcesses(home).find(({ command }) => command.includes(part));
  if (found === undefined) throw new Error(`no ${part} runs in ${home}`);
  return found;
}

/** Waits until nothing runs for the home; answers what still does after `waitMs`. */
export async function whenAllGone(home: string, waitMs: number): Promise<HomeProcess[]> {
  for (const began = performance.now(); ;) {
    const left = homeProcesses(home);
    if (left.length === 0 || performance.now() - began > waitMs) return left;
    await sleep(50);
  }
}
