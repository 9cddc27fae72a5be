// `npm run demo`: sets up what is missing, then plays the story on a scratch home (src/cli/verbs/).
import { join } from 'node:path';
import { setUp } from './setup.mjs';
import { becomeNode } from './setup/hand-over.mjs';
import { root } from './setup/places.mjs';
import { runMain } from './setup/say.mjs';

await runMain(async () => {
  const { node } = await setUp();
  await becomeNode(node, [join(root, 'src', 'app.ts'), 'demo', 'run', ...process.argv.slice(2)]);
});
