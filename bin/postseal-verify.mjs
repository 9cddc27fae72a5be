#!/usr/bin/env node
// `npx postseal-verify DIR`: the auditor's verifier (audit/verifier/README.md).
import { runInProjectNode } from './in-project-node.mjs';

await runInProjectNode('postseal-verify', 'audit/verifier/main.ts');
