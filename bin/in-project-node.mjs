// Runs a program of this checkout in the Node that the set-up found: in this one where it is new enough.
import { join } from 'node:path';
import { becomeNode } from '../scripts/setup/hand-over.mjs';
import { readResult, root } from '../scripts/setup/places.mjs';

/** `name` stands before what is said when there is no such Node; `main` is a path from the root. */
export async function runInProjectNode(name, main) {
  const program = join(root, main);
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 24 || (major === 24 && minor >= 11)) {
    // What the program itself sees as its program.
    process.argv[1] = program;
    await import(program);
    return;
  }
  const { node } = readResult();
  if (node === undefined) {
    process.stderr.write(`${name}: error: this checkout is not set up\n`);
    process.stderr.write(`${name}: hint: run npm start or node scripts/setup.mjs once\n`);
    process.exit(1);
  }
  await becomeNode(node, [program, ...process.argv.slice(2)]);
}
