// Tests that need a program which a machine may lack are skipped by name with the reason, never
// silently; CI counts a skip as a failure.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, test } from '@jest/globals';

/** Full path of a program (sbin folders included), or undefined. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin'];
  for (const folder of folders.filter((entry) => entry !== '')) {
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

/** `describe`, or `describe.skip` with the reason in its name when one of `programs` is missing. */
export function describeWith(programs: readonly string[], name: string, body: () => void): void {
  const missing = programs.filter((program) => findProgram(program) === undefined);
  if (missing.length === 0) describe(name, body);
  else describe.skip(`${name} [skipped: no ${missing.join(', no ')} on this machine]`, body);
}

/** `describe`, or `describe.skip` with `reason` in its name unless `condition` holds. */
export function describeIf(
  condition: boolean,
  reason: string,
  name: string,
  body: () => void,
): void {
  if (condition) describe(name, body);
  else describe.skip(`${name} [skipped: ${reason}]`, body);
}

/** `test`, or `test.skip` with `reason` in its name unless `condition` holds. */
export function testIf(
  condition: boolean,
  reason: string,
  name: string,
  body: () => Promise<void> | void,
  timeoutMs?: number,
): void {
  if (condition) test(name, body, timeoutMs);
  else test.skip(`${name} [skipped: ${reason}]`, body);
}
