// A PKCS #11 module that fails, is slow or hangs on demand: faulty-module.c around a real one.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** A line of the control file; faulty-module.c says which calls know it. */
export type Fault =
  | `C_${string} fail ${number}`
  | `C_${string} delay ${number}`
  | `C_${string} hang`
  | `mechanism hide ${number}`;

export interface FaultyModule {
  /** Path of the shared library. */
  readonly module: string;
  /** From now on exactly these; calls under way that hang go on when their line is gone. */
  set(...faults: readonly Fault[]): void;
  /** Signatures and encryptions do not come back until `clear`. */
  hang(): void;
  clear(): void;
  remove(): void;
}

const includes = resolve(import.meta.dirname, '../../node_modules/pkcs11js/includes');
const source = resolve(import.meta.dirname, 'faulty-module.c');

/** Compiles it around the module `real`; it has no faults yet. */
export function buildFaultyModule(real: string): FaultyModule {
  const folder = mkdtempSync(join(tmpdir(), 'postseal-faulty-'));
  const [control, module] = [join(folder, 'faults'), join(folder, 'faulty.so')];
  const text = (name: string, value: string): string => `-D${name}=${JSON.stringify(value)}`;
  execFileSync(
    'cc',
    [
      ...['-shared', '-fPIC', '-O1', '-Wall', '-Werror'],
      ...['-isystem', includes, text('REAL_MODULE', real), text('CONTROL_FILE', control)],
      ...['-o', module, source, '-ldl'],
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const set = (...faults: readonly Fault[]): void => {
    // Renamed into place, so that no call reads half of it.
    writeFileSync(`${control}.new`, faults.map((fault) => `${fault}\n`).join(''));
    renameSync(`${control}.new`, control);
  };
  return {
    module,
    set,
    hang: () => {
      set('C_Sign hang', 'C_Encrypt hang');
    },
    clear: () => {
      set();
    },
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
