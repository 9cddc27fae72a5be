// Jest in the project's Node, and as the very last line `N passed, N failed, N skipped`.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setUp } from '../setup.mjs';
import { runNode } from './hand-over.mjs';
import { root } from './places.mjs';
import { ensureTestPackages } from './test-packages.mjs';

/** Sets up, runs Jest with `args`, prints the closing line and leaves Jest's exit code. */
export async function runJest(args, env = {}) {
  const { node } = await setUp();
  const packages = await ensureTestPackages(node);
  const folder = mkdtempSync(join(tmpdir(), 'postseal-summary-'));
  const file = join(folder, 'summary.json');
  const exitCode = await runNode(
    node,
    [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
      ...args,
    ],
    { ...packages, ...env, POSTSEAL_TEST_SUMMARY: file },
  );
  let closing = '0 passed, 1 failed, 0 skipped';
  try {
    closing = JSON.parse(readFileSync(file, 'utf8')).closing;
  } catch {
    // Jest did not come to its end, which its own output explains; it counts as a failure.
    process.exitCode = 1;
  }
  rmSync(folder, { recursive: true, force: true });
  process.stdout.write(`${closing}\n`);
  if (exitCode !== 0) process.exitCode = exitCode;
}
