// Results go to standard output, everything else to standard error, so that a pipe gets results
// only. `--json` prints the value itself; else tables and lines for people.
import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  /** `total` may grow while the work goes on. */
  readonly update: (done: number, total: number) => void;
  readonly stop: () => void;
}

export interface Output {
  readonly json: boolean;
  /** A result: JSON as it is, or for people as `lines`. */
  result(value: unknown, lines: readonly string[]): void;
  /** A result that is a list: JSON array, or a table with these columns. */
  table(rows: readonly object[], columns: readonly string[]): void;
  /** A sentence on standard error. */
  note(text: string): void;
  /** A bar on standard error when that is a terminal, else nothing. */
  progress(label: string): Progress;
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  return Array.isArray(value) ? value.map(cell).join(', ') : JSON.stringify(value);
}

/** Columns padded to their longest cell, two spaces apart. */
export function tableLines(rows: readonly object[], columns: readonly string[]): string[] {
  const cells = rows.map((row) =>
    columns.map((column) => cell((row as Readonly<Record<string, unknown>>)[column])),
  );
  const widths = columns.map((column, i) =>
    Math.max(column.length, ...cells.map((row) => (row[i] ?? '').length)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) => text.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(columns.map((column) => column.toUpperCase())), ...cells.map(line)];
}

export function createOutput(json: boolean): Output {
  const print = (text: string): void => void process.stdout.write(`${text}\n`);
  return {
    json,
    result(value, lines) {
      if (json) print(JSON.stringify(value, null, 2));
      else for (const line of lines) print(line);
    },
    table(rows, columns) {
      if (json) print(JSON.stringify(rows, null, 2));
      else if (rows.length === 0) process.stderr.write('postseal: nothing to list\n');
      else for (const line of tableLines(rows, columns)) print(line);
    },
    note: (text) => void process.stderr.write(`postseal: ${text}\n`),
    progress(label) {
      if (!process.stderr.isTTY) return { update: () => undefined, stop: () => undefined };
      const format = `${label} {bar} {percentage}% {value}/{total} {eta_formatted}`;
      const bar = new SingleBar(
        { format, stream: process.stderr, hideCursor: true },
        Presets.shades_classic,
      );
      bar.start(1, 0);
      return {
        update(done, total) {
          bar.setTotal(Math.max(total, 1));
          bar.update(done);
        },
        stop: () => bar.stop(),
      };
    },
  };
}
