// `npm run test:large`: suites that need large services (`*.large.ts`), such as Ceph or Patroni.
import { runJest } from './setup/run-jest.mjs';
import { runMain } from './setup/say.mjs';

await runMain(() =>
  runJest(['--testMatch', '**/test/**/*.large.ts', '--passWithNoTests', ...process.argv.slice(2)]),
);
