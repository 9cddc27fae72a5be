#!/usr/bin/env node
// `npx postseal`: the command line, in the Node that the set-up found.
import { join } from 'node:path';
import { becomeNode } from '../scripts/setup/hand-over.mjs';
import { readResult, root } from '../scripts/setup/places.mjs';

const main = join(root, 'src', 'app.ts');
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major > 24 || (major === 24 && minor >= 11)) {
  // What the command line itself sees as its program.
  process.argv[1] = main;
  await import(main);
} else {
  const { node } = readResult();
  if (node === undefined) {
    process.stderr.write('postseal: error: this checkout is not set up\n');
    process.stderr.write('postseal: hint: run npm start or node scripts/setup.mjs once\n');
    process.exit(1);
  }
  await becomeNode(node, [main, ...process.argv.slice(2)]);
}
