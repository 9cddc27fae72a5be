// One row of the error registry (errors.ts): what a person is told, and how the process ends.

/** Exit codes of the contract (docs/reference/cli.md). */
export const exitCode = {
  done: 0,
  failure: 1,
  usage: 2,
  integrity: 70,
  configuration: 78,
} as const;
export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

export interface ErrorSpec {
  /** One sentence for the person who meets it. */
  readonly text: string;
  /** What to do next, lower case, no full stop. */
  readonly hint: string;
  readonly retryable: boolean;
  readonly exit: ExitCode;
}

/** Writes a row in one line. */
export const errorSpec = (
  text: string,
  hint: string,
  retryable: boolean,
  exit: ExitCode,
): ErrorSpec => ({
  text,
  hint,
  retryable,
  exit,
});
