// One clear line a step on standard error, so that standard output stays for results.
const started = Date.now();

/** Prints `setup: text`. */
export function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

/** An expected failure of the set-up: one line with a hint, then the exit code. */
export class SetupError extends Error {
  constructor(text, hint, exitCode = 1) {
    super(text);
    this.name = 'SetupError';
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

/** Runs `main` and turns a SetupError into its two lines and its exit code. */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`postseal: error: ${error.message}\npostseal: hint: ${error.hint}\n`);
    process.exit(error.exitCode);
  }
}

/** Whole seconds since this program began. */
export function seconds() {
  return Math.round((Date.now() - started) / 1000);
}
