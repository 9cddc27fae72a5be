// `npm run check`: format, lint, types and house tests; every step runs, the first failure is kept.
import { join } from 'node:path';
import { setUp } from './setup.mjs';
import { runNode } from './setup/hand-over.mjs';
import { root } from './setup/places.mjs';
import { runMain } from './setup/say.mjs';

const bin = (name) => join(root, 'node_modules', ...name);
const steps = [
  ['format', [bin(['prettier', 'bin', 'prettier.cjs']), '--check', '--log-level', 'warn', '.']],
  ['lint', [bin(['eslint', 'bin', 'eslint.js']), '.']],
  ['types', [bin(['typescript', 'bin', 'tsc']), '-p', '.']],
  [
    'house',
    [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      bin(['jest', 'bin', 'jest.js']),
      'test/house',
    ],
  ],
];

await runMain(async () => {
  const { node } = await setUp();
  const failed = [];
  for (const [name, args] of steps) {
    const began = Date.now();
    const exitCode = await runNode(node, args);
    const seconds = ((Date.now() - began) / 1000).toFixed(1);
    process.stdout.write(`check: ${name} ${exitCode === 0 ? 'ok' : 'FAILED'} (${seconds} s)\n`);
    if (exitCode !== 0) failed.push(name);
  }
  if (failed.length > 0) process.exitCode = 1;
});
