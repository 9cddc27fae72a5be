// `npm run soak`: the long loops (`*.soak.ts`) that are too slow for every change.
import { runJest } from './setup/run-jest.mjs';
import { runMain } from './setup/say.mjs';

await runMain(() =>
  runJest(['--testMatch', '**/test/**/*.soak.ts', '--passWithNoTests', ...process.argv.slice(2)]),
);
