// PostgreSQL refuses to run as root. As root we give it another identity without creating a user and
// without moving files: first a user namespace that maps root to nobody, else setpriv to nobody with
// the one capability that lets it reach a home below a 0700 folder. As an ordinary user: plainly.
import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';

/** initdb looks its user up by number; nobody is 65534 on every Linux. */
const nobody = 65_534;

export interface Launcher {
  readonly name: 'plain' | 'unshare' | 'setpriv';
  /** Put before the program and its arguments. Every prefix execs, so the pid is PostgreSQL's. */
  readonly prefix: readonly string[];
  /** Owner that files must have on this side, or undefined when it is us anyway. */
  readonly owner: number | undefined;
}

const candidates: readonly Launcher[] = [
  {
    name: 'unshare',
    prefix: ['unshare', '--user', `--map-user=${nobody}`, `--map-group=${nobody}`],
    owner: 0,
  },
  {
    name: 'setpriv',
    prefix: [
      'setpriv',
      `--reuid=${nobody}`,
      `--regid=${nobody}`,
      '--clear-groups',
      // access(2), with which PostgreSQL looks for its own programs, drops the capabilities of whoever
      // is not root unless this bit is set (capabilities(7)).
      '--securebits=+no_setuid_fixup',
      '--inh-caps=-all,+dac_override',
      '--ambient-caps=-all,+dac_override',
      '--bounding-set=-all,+dac_override',
    ],
    owner: nobody,
  },
];

/**
 * The way to start PostgreSQL's programs as whoever we are; `only` leaves the ladder one step.
 * @throws PostsealError `database.embedded-root` when we are root and cannot become anyone else.
 */
export function chooseLauncher(only?: Launcher['name']): Launcher {
  if (process.getuid?.() !== 0) return { name: 'plain', prefix: [], owner: undefined };
  for (const candidate of candidates) {
    if (only !== undefined && candidate.name !== only) continue;
    const [program, ...rest] = candidate.prefix;
    if (program === undefined) continue;
    const probe = spawnSync(program, [...rest, 'true'], { stdio: 'ignore' });
    if (probe.status === 0) return candidate;
  }
  throw new PostsealError('database.embedded-root');
}

/** Gives everything below `folder` to the owner that `launcher` needs, where it is not so already. */
export function ownFolder(launcher: Launcher, folder: string): void {
  const { owner } = launcher;
  if (owner === undefined || !existsSync(folder) || lstatSync(folder).uid === owner) return;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    chownSync(join(entry.parentPath, entry.name), owner, owner);
  }
  // The folder itself comes last: its owner says whether the walk was finished.
  chownSync(folder, owner, owner);
}
