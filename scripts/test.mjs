// `npm test [-- jest arguments]`: set-up, the tests' Debian packages, the whole suite.
import { runJest } from './setup/run-jest.mjs';
import { runMain } from './setup/say.mjs';

await runMain(() => runJest(process.argv.slice(2)));
