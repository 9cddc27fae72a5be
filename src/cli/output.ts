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
  /** A result that is one thing: a JSON object, or a table of one row. */
  item(row: object, columns: readonly string[]): void;
  /** A sentence on standard error. */
  note(text: string): void;
  /** A bar on standard error when that is a terminal, else nothing. */
  progress(label: string): Progress;
}

/**
 * Text as a terminal may show it: control characters and marks that turn the direction of writing are
 * written out, so that a name in the archive can neither move the cursor nor forge a line.
 */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (mark) => `\\u{${mark.charCodeAt(0).toString(16)}}`,
  );
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return printable(value).replaceAll('\n', '\\n');
  return Array.isArray(value) ? value.map(cell).join(', ') : printable(JSON.stringify(value));
}

/** Columns that a terminal gives to `text`: two for each wide character of East Asia. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    if (/\p{M}/u.test(character)) continue;
    const wide =
      /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
    width += wide.test(character) ? 2 : 1;
  }
  return width;
}

/** Columns padded to their widest cell, two spaces apart. */
export function tableLines(rows: readonly object[], columns: readonly string[]): string[] {
  const cells = rows.map((row) =>
    columns.map((column) => cell((row as Readonly<Record<string, unknown>>)[column])),
  );
  const widths = columns.map((column, i) =>
    Math.max(column.length, ...cells.map((row) => displayWidth(row[i] ?? ''))),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) => text + ' '.repeat(Math.max(0, (widths[i] ?? 0) - displayWidth(text))))
      .join('  ')
      .trimEnd();
  return [line(columns.map((column) => column.toUpperCase())), ...cells.map(line)];
}

/**
 * A reader that has seen enough (`postseal … | head`) closes the pipe. What is left is written nowhere, and the
 * command ends as it would have, with its own exit code.
 */
export function outliveReaders(streams: readonly NodeJS.WritableStream[]): void {
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}

export function createOutput(json: boolean): Output {
  const print = (text: string): void => void process.stdout.write(`${text}\n`);
  return {
    json,
    result(value, lines) {
      if (json) print(JSON.stringify(value, null, 2));
      else for (const line of lines) print(printable(line));
    },
    item(row, columns) {
      if (json) print(JSON.stringify(row, null, 2));
      else for (const line of tableLines([row], columns)) print(line);
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
