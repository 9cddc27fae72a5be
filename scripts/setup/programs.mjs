// Running other programs, and knowing which ones exist.
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The full path of `name`, sbin folders included (an ordinary user's PATH lacks them). */
export function findProgram(name) {
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/local/sbin',
    '/usr/sbin',
    '/sbin',
  ];
  for (const folder of folders) {
    if (folder === '') continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder; the next one may have it.
    }
  }
  return undefined;
}

/** Runs to the end without output; gives `{ ok, output }`, the output being both streams together. */
export function runQuietly(program, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (output += text));
    child.once('error', (error) => resolve({ ok: false, output: String(error) }));
    child.once('close', (code) => resolve({ ok: code === 0, output }));
  });
}

/** What a program prints, or undefined when it fails. */
export function readOutput(program, args, options = {}) {
  const done = spawnSync(program, args, { encoding: 'utf8', ...options });
  return done.status === 0 ? done.stdout.trim() : undefined;
}

/** The last lines of a failed program, for an error message. */
export function lastLines(output, count = 3) {
  return output.trim().split('\n').slice(-count).join(' / ');
}

export const isRoot = process.getuid?.() === 0;
