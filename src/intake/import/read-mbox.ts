// Splits an mbox file (RFC 4155; mboxo and mboxrd alike) into its messages without holding the file.
// A separator is a line `From … <year>` at the start of the file or after an empty line. The empty
// line before a separator belongs to the format, everything else to the message; `>From ` stays as
// it is, since the file does not say whether it was quoted.
import { createReadStream } from 'node:fs';
import { PostsealError } from '../../kernel/errors.ts';
import { type ImportItem, type LineEnds, normaliseLineEnds } from './import-item.ts';

const separator = /^From \S.*\s(?:19|20)\d\d(?:\s+[-+]\d{4})?\s*$/;
const separatorBytesMax = 1_024;

interface Open {
  readonly index: number;
  readonly separator: string;
  /** Lines that lie behind each other in memory are one piece: an object a line would outweigh its text. */
  readonly pieces: Buffer[];
  octets: number;
  last: Buffer | undefined;
}

/** `From user Sat Jan  3 01:05:34 1996`: the date as UTC, or undefined. */
export function separatorDate(line: string): number | undefined {
  const found =
    /([A-Z][a-z]{2})\s+(\d{1,2})\s+(\d\d):(\d\d)(?::(\d\d))?\s+(?:[A-Z]{2,5}\s+)?(\d{4})(?:\s+([-+])(\d\d)(\d\d))?\s*$/.exec(
      line,
    );
  if (found === null) return undefined;
  const [, monthName = '', day, hour, minute, second, year, sign, zoneHour, zoneMinute] = found;
  const month = 'JanFebMarAprMayJunJulAugSepOctNovDec'.indexOf(monthName) / 3;
  if (!Number.isInteger(month) || month < 0) return undefined;
  const utc = Date.UTC(
    Number(year),
    month,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second ?? 0),
  );
  const offset = (Number(zoneHour ?? 0) * 60 + Number(zoneMinute ?? 0)) * 60_000;
  return sign === '-' ? utc + offset : utc - offset;
}

/** Flags of the `Status:` and `X-Status:` lines that mail programs write into mbox files. */
export function statusFlags(head: string): string[] {
  const letters = [...head.matchAll(/^(?:X-)?Status:[ \t]*([A-Z]*)/gim)]
    .map((m) => m[1] ?? '')
    .join('');
  const names: Readonly<Record<string, string>> = {
    R: '\\Seen',
    A: '\\Answered',
    F: '\\Flagged',
    D: '\\Deleted',
    T: '\\Draft',
  };
  return [...new Set(Array.from(letters).flatMap((letter) => names[letter] ?? []))];
}

function isEmptyLine(line: Buffer | undefined): boolean {
  return line === undefined || line.equals(Buffer.from('\n')) || line.equals(Buffer.from('\r\n'));
}

function add(open: Open, line: Buffer): void {
  const { pieces } = open;
  const before = pieces.at(-1);
  const joins =
    before !== undefined &&
    before.buffer === line.buffer &&
    before.byteOffset + before.length === line.byteOffset;
  if (joins) {
    const length = before.length + line.length;
    pieces[pieces.length - 1] = Buffer.from(line.buffer, before.byteOffset, length);
  } else {
    pieces.push(line);
  }
  open.octets += line.length;
  open.last = line;
}

function finish(open: Open, folder: string, lineEnds: LineEnds, before: boolean): ImportItem {
  // The last empty line stands before the next separator; at the end of the file it does too.
  const { last, octets, pieces } = open;
  const single = last === undefined || last.length === octets;
  const drop = before || (!single && isEmptyLine(last));
  const kept = octets - (drop ? (last?.length ?? 0) : 0);
  const bytes = normaliseLineEnds(Buffer.concat(pieces, kept), lineEnds);
  const end = bytes.indexOf('\r\n\r\n');
  const head = bytes.toString('latin1', 0, Math.min(end < 0 ? bytes.length : end, 65_536));
  const internalDate = separatorDate(open.separator);
  return {
    head: {
      key: `#${open.index}`,
      size: bytes.length,
      folder,
      flags: statusFlags(head),
      ...(internalDate === undefined ? {} : { internalDate }),
    },
    bytes,
  };
}

/** Lines with their ends; a last line without one too. */
async function* linesOf(path: string): AsyncGenerator<Buffer> {
  let pieces: Buffer[] = [];
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    const data = chunk as Buffer;
    let from = 0;
    for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, from)) {
      pieces.push(data.subarray(from, at + 1));
      yield pieces.length === 1 ? (pieces[0] ?? data) : Buffer.concat(pieces);
      pieces = [];
      from = at + 1;
    }
    if (from < data.length) pieces.push(data.subarray(from));
  }
  if (pieces.length > 0) yield Buffer.concat(pieces);
}

/**
 * The messages of the file in order; an empty file has none. @throws PostsealError `import.unreadable` for a file
 * that does not begin with a separator, which is no mbox.
 */
export async function* readMbox(
  path: string,
  options: { readonly folder: string; readonly lineEnds: LineEnds },
): AsyncGenerator<ImportItem> {
  let open: Open | undefined;
  let previous: Buffer | undefined;
  let index = 0;
  for await (const line of linesOf(path)) {
    const starts =
      line.length <= separatorBytesMax &&
      isEmptyLine(previous) &&
      line[0] === 0x46 &&
      separator.test(line.toString('latin1'));
    previous = line;
    if (!starts) {
      if (open === undefined && !isEmptyLine(line)) {
        throw new PostsealError('import.unreadable', { path, reason: 'no mbox' });
      }
      if (open !== undefined) add(open, line);
      continue;
    }
    if (open !== undefined) yield finish(open, options.folder, options.lineEnds, true);
    index += 1;
    open = { index, separator: line.toString('latin1'), pieces: [], octets: 0, last: undefined };
  }
  if (open !== undefined) yield finish(open, options.folder, options.lineEnds, false);
}
