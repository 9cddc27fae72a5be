#!/usr/bin/env node
// `npx postseal`: the command line.
import { runInProjectNode } from './in-project-node.mjs';

await runInProjectNode('postseal', 'src/app.ts');
