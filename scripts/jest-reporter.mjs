// Counts for the closing line, names what was skipped, and sums the time of each room for .ci/run.
import { writeFileSync } from 'node:fs';
import { relative, sep } from 'node:path';

export default class ClosingReporter {
  #root;

  constructor(globalConfig) {
    this.#root = globalConfig.rootDir;
  }

  onRunComplete(_contexts, results) {
    const file = process.env.POSTSEAL_TEST_SUMMARY;
    const skipped = [];
    const rooms = {};
    for (const suite of results.testResults) {
      const path = relative(this.#root, suite.testFilePath);
      const room = path.split(sep)[1] ?? path;
      rooms[room] = (rooms[room] ?? 0) + (suite.perfStats.end - suite.perfStats.start);
      for (const test of suite.testResults) {
        if (test.status === 'pending' || test.status === 'todo') {
          skipped.push(`${path}: ${test.fullName}`);
        }
      }
    }
    // A suite that cannot even load has no tests to count; it must not look like success.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const count = results.numPendingTests + results.numTodoTests;
    const closing = `${results.numPassedTests} passed, ${failed} failed, ${count} skipped`;
    if (file === undefined) {
      process.stdout.write(`${closing}\n`);
      return;
    }
    for (const name of skipped) process.stdout.write(`skipped: ${name}\n`);
    writeFileSync(file, JSON.stringify({ closing, failed, skipped, rooms }));
    const copy = process.env.POSTSEAL_TEST_ROOMS;
    if (copy !== undefined) writeFileSync(copy, JSON.stringify({ failed, skipped, rooms }));
  }
}
