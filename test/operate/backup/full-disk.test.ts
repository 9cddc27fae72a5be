// A target without space: the failure is told, and neither a file nor an open handle is left of it.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import type { OrganisationId } from '../../../src/kernel/ids.ts';
import { SealedWriter } from '../../../src/operate/backup/sealed-writer.ts';
import { describeIf } from '../../harness/needs.ts';

const organisation = '01980000-0000-7000-8000-000000000001' as OrganisationId;
const key = { id: organisation, key: randomBytes(32), wrap: randomBytes(62) };
const target = mkdtempSync(join(tmpdir(), 'postseal-full-'));
const create = (): Promise<SealedWriter> =>
  SealedWriter.create({
    ...{ kind: 'set', organisation, key },
    pathOf: (id) => join(target, `${id}.set`),
  });

/** Files of the target that this process has open. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(target) ? [path] : [];
    } catch {
      // The one that read the folder.
      return [];
    }
  });
}

function mounted(): boolean {
  try {
    const options = ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', target];
    execFileSync('mount', options, { stdio: 'ignore' });
    return true;
  } catch {
    // Not root, or a container that forbids it: the test is skipped by name.
    return false;
  }
}
const small = mounted();
afterAll(() => {
  if (small) execFileSync('umount', [target]);
  rmSync(target, { recursive: true });
});

describeIf(small, 'needs to mount a small file system', 'a full target', () => {
  test('refuses a set and keeps nothing of it', async () => {
    const refused = { code: 'backup.target-failed', fields: { reason: 'ENOSPC' } };
    const writer = await create();
    await expect(writer.finishWith(randomBytes(1_000_000))).rejects.toMatchObject(refused);
    expect(openFiles()).toEqual([]);
    expect(readdirSync(target)).toEqual([]);
    const fill = (): void => writeFileSync(join(target, 'other'), randomBytes(1_000_000));
    expect(fill).toThrow('ENOSPC');
    await expect(create()).rejects.toMatchObject(refused);
    expect(openFiles()).toEqual([]);
    expect(readdirSync(target)).toEqual(['other']);
  });
});
