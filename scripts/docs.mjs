// `npm run docs`: writes the generated pages of docs/reference/. Tests hold them equal to their source.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setUp } from './setup.mjs';
import { runNode } from './setup/hand-over.mjs';
import { root } from './setup/places.mjs';
import { runMain } from './setup/say.mjs';

/** Page, module and the function of it that returns the whole page. */
const pages = [['config.md', 'src/platform/config/reference.ts', 'configReference']];

if (process.env.POSTSEAL_DOCS_INSIDE === '1') {
  for (const [page, module, name] of pages) {
    const { [name]: render } = await import(join(root, module));
    writeFileSync(join(root, 'docs', 'reference', page), render());
    process.stdout.write(`docs/reference/${page}\n`);
  }
} else {
  await runMain(async () => {
    const { node } = await setUp();
    const self = fileURLToPath(import.meta.url);
    process.exitCode = await runNode(node, [self], { POSTSEAL_DOCS_INSIDE: '1' });
  });
}
