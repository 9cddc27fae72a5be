// `npm run docs`: writes the generated pages of docs/reference/. test/house/docs.test.ts holds them equal
// to their source; scripts/docs-pages.json names each page and the function that returns it whole.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setUp } from './setup.mjs';
import { runNode } from './setup/hand-over.mjs';
import { root } from './setup/places.mjs';
import { runMain } from './setup/say.mjs';

const pages = JSON.parse(readFileSync(new URL('docs-pages.json', import.meta.url), 'utf8'));

if (process.env.POSTSEAL_DOCS_INSIDE === '1') {
  for (const { page, module, render } of pages) {
    const { [render]: whole } = await import(join(root, module));
    writeFileSync(join(root, 'docs', 'reference', page), whole());
    process.stdout.write(`docs/reference/${page}\n`);
  }
} else {
  await runMain(async () => {
    const { node } = await setUp();
    const self = fileURLToPath(import.meta.url);
    process.exitCode = await runNode(node, [self], { POSTSEAL_DOCS_INSIDE: '1' });
  });
}
