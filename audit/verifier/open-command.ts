// `postseal-verify open`: the original of a message, or its metadata, from packs and exported wraps alone.
import { createHash } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ByteSource, openFile } from './byte-source.ts';
import { openBody, type OpenedBody } from './body.ts';
import { decodeExport, type Export, type ExportedBody, isUuid } from './export-file.ts';
import { CannotRun } from './finding.ts';
import { openLeafKey, purposes } from './key-chain.ts';
import { openMetadata } from './metadata.ts';
import { openFrame, packPath } from './pack-frame.ts';
import { openRecipe } from './recipe.ts';
import { Refused } from './refused.ts';
import { type Unwrap, unwrapBy } from './unwrap-command.ts';

export const openUsage = `usage: postseal-verify open EXPORT --unwrap COMMAND (--packs DIR | --pack FILE | --body FILE)
                            [--record ID | --content ID] [--out FILE] [--json]
       postseal-verify open EXPORT --unwrap COMMAND --metadata [--record ID]`;

const help = `${openUsage}

Gives back the original of a message from the sealed bytes and an export of wrapped keys, without
Postseal, its database or a network. docs/formats/export.md describes the export and the command.

  EXPORT             file of wrapped keys (docs/formats/export.md)
  --unwrap COMMAND   asks your token to open the custodian's key: run by /bin/sh, gets a request as JSON
                     on standard input, answers the key in hex (audit/verifier/unwrap-pkcs11.py is one)
  --packs DIR        folder of packs: HOME/packs or a copy of it
  --pack FILE        the one pack that has the message; --offset N if the frame is not where EXPORT says
  --body FILE        the sealed body by itself
  --record ID        which message, if EXPORT has several; --content ID likewise
  --metadata         prints header lines, structure, preview and envelope as JSON instead
  --out FILE         writes the message there (mode 0600), once all of it is proved; else standard output
  --json             prints what was opened as JSON; with --out

Exit codes: 0 done, 1 it could not run (a file, or the command), 2 usage, 70 the bytes are damaged,
forged, or of another message.
`;

/** The command line is wrong (exit code 2). */
class WrongUsage extends Error {
  override readonly name = 'WrongUsage';
}

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const options = {
  unwrap: text,
  packs: text,
  pack: text,
  offset: text,
  body: text,
  record: text,
  content: text,
  metadata: flag,
  out: text,
  json: flag,
  help: { ...flag, short: 'h' },
} as const;

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true });
  } catch (error) {
    throw new WrongUsage(error instanceof Error ? error.message : 'arguments');
  }
}
type Values = ReturnType<typeof parse>['values'];

function checkValues(values: Values): void {
  const places = [values.packs, values.pack, values.body].filter((value) => value !== undefined);
  if (values.metadata === true && places.length > 0) {
    throw new WrongUsage('--metadata reads the export alone');
  }
  if (values.metadata !== true && places.length !== 1) {
    throw new WrongUsage('one of --packs, --pack and --body is needed');
  }
  if (values.record !== undefined && values.content !== undefined) {
    throw new WrongUsage('--record and --content exclude each other');
  }
  if (
    values.offset !== undefined &&
    (values.pack === undefined || !/^\d{1,15}$/.test(values.offset))
  )
    throw new WrongUsage('--offset is a number of bytes and goes with --pack');
  for (const id of [values.record, values.content]) {
    if (id !== undefined && !isUuid(id)) throw new WrongUsage('ids are uuids in lower case');
  }
  if (values.json === true && values.out === undefined && values.metadata !== true) {
    throw new WrongUsage('--json needs --out: standard output is the message');
  }
}

/** The only one of `rows`, or the one that was asked for. @throws CannotRun */
function chooseOne<T>(rows: readonly T[], asked: string | undefined, idOf: (row: T) => string): T {
  const found = asked === undefined ? rows : rows.filter((row) => idOf(row) === asked);
  const [row] = found;
  if (row === undefined) throw new CannotRun('the export has nothing of it');
  if (found.length === 1) return row;
  if (asked !== undefined) throw new Refused('export', 'format', 'an id that is there twice');
  throw new CannotRun('the export has several: name one with --record or --content');
}

function chooseBody(from: Export, values: Values): ExportedBody {
  const content =
    values.record === undefined
      ? values.content
      : chooseOne(from.records, values.record, (row) => row.record).content;
  return chooseOne(from.bodies, content, (row) => row.content);
}

/** Finds the sealed body; `close` is called when it is no longer needed. */
function findBody(row: ExportedBody, values: Values): { body: ByteSource; close: () => void } {
  const path = values.body ?? values.pack ?? join(values.packs ?? '', packPath(row.pack));
  const file = openFile(path);
  const close = (): void => {
    file.close();
  };
  try {
    if (values.body === undefined) {
      const offset = values.offset === undefined ? row.offset : Number(values.offset);
      return { body: openFrame(file, { ...row, offset }), close };
    }
    if (file.length !== row.length) throw new Refused('body', 'identity', 'another length');
    return { body: file, close };
  } catch (error) {
    close();
    throw error;
  }
}

function write(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; at += writeSync(fd, bytes, at));
}

/** SHA-256 that the metadata of the record gives, where the export has metadata and it says so. */
function expectedSha256(from: Export, content: string, values: Values, unwrap: Unwrap) {
  const records = from.records.filter((row) => row.content === content);
  const [only] = records;
  const record = values.record ?? (records.length === 1 ? only?.record : undefined);
  return record === undefined ? undefined : openMetadata(from, record, unwrap)?.original?.sha256;
}

/** @throws Refused `identity`: whole and sound, but not the bytes that the record stands for. */
function compare(found: string, expected: string | undefined): void {
  if (expected !== undefined && found !== expected)
    throw new Refused('body', 'identity', 'not the original of the record');
}

/** Writes the message to `path`, which is there whole or not at all; answers its SHA-256. */
function writeFile(path: string, message: OpenedBody, expected: string | undefined): string {
  const hash = createHash('sha256');
  const part = `${path}.part`;
  const failed = (): CannotRun => new CannotRun(`${path} cannot be written`);
  let fd: number;
  let sha256: string;
  try {
    fd = openSync(part, 'wx', 0o600);
  } catch {
    // There is one already, no such folder, or no right: nothing was written.
    throw failed();
  }
  try {
    for (const chunk of message.chunks()) {
      hash.update(chunk);
      write(fd, chunk);
    }
    sha256 = hash.digest('hex');
    compare(sha256, expected);
    fsyncSync(fd);
    closeSync(fd);
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw error instanceof Refused || error instanceof CannotRun ? error : failed();
  }
  return sha256;
}

/** One content of the export: its frame, its key, its body. */
function openContent(
  from: Export,
  row: ExportedBody,
  purpose: number,
  values: Values,
  unwrap: Unwrap,
): OpenedBody {
  const { body, close } = findBody(row, values);
  const { group, wrap, content } = row;
  try {
    const dek = openLeafKey(from, { group, wrap, purpose, object: content }, unwrap);
    const opened = openBody(body, dek, content);
    dek.fill(0);
    const closeBoth = (): void => {
      opened.close();
      close();
    };
    return { ...opened, close: closeBoth };
  } catch (error) {
    close();
    throw error;
  }
}

/** A part of a recipe lies in a pack of its own choice, so the folder of packs is needed. */
function openPart(from: Export, content: string, values: Values, unwrap: Unwrap): OpenedBody {
  if (values.packs === undefined) {
    throw new CannotRun('the message has parts in other packs: name the folder with --packs');
  }
  const rows = from.bodies.filter((row) => row.content === content);
  const [row] = rows;
  if (row === undefined || rows.length > 1) throw new Refused('export', 'identity', 'a part');
  const part = openContent(from, row, purposes.part, values, unwrap);
  if (part.recipe || part.size !== row.size) throw new Refused('recipe', 'identity', 'a part');
  return part;
}

function openMessage(from: Export, values: Values, unwrap: Unwrap): void {
  const row = chooseBody(from, values);
  const { content } = row;
  const opened = openContent(from, row, purposes.dek, values, unwrap);
  const message = opened.recipe
    ? openRecipe(opened, (part) => openPart(from, part, values, unwrap))
    : opened;
  if (message.size !== row.size) throw new Refused('body', 'identity', 'another size');
  const expected = expectedSha256(from, content, values, unwrap);
  if (values.out === undefined) {
    // All of it is proved before the first byte is out.
    const hash = createHash('sha256');
    for (const chunk of message.chunks()) {
      hash.update(chunk);
      chunk.fill(0);
    }
    compare(hash.digest('hex'), expected);
    for (const chunk of message.chunks()) write(1, chunk);
  } else {
    const sha256 = writeFile(values.out, message, expected);
    const told = { content, octets: message.size, sha256, out: values.out };
    const line = `${values.out}: ${message.size} octets, sha256 ${sha256}`;
    process.stdout.write(`${values.json === true ? JSON.stringify(told, null, 2) : line}\n`);
  }
  message.close();
}

function printMetadata(from: Export, values: Values, unwrap: Unwrap): void {
  const byContent = from.records.filter(
    ({ content }) => values.content === undefined || content === values.content,
  );
  const { record } = chooseOne(byContent, values.record, (row) => row.record);
  const metadata = openMetadata(from, record, unwrap);
  if (metadata === undefined) throw new CannotRun('the export has no metadata of it');
  process.stdout.write(`${JSON.stringify({ record, ...metadata }, null, 2)}\n`);
}

function run(argv: readonly string[]): void {
  const { values, positionals } = parse(argv);
  if (values.help === true) {
    process.stdout.write(help);
    return;
  }
  const [path, ...more] = positionals;
  if (path === undefined || more.length > 0) throw new WrongUsage('one EXPORT is needed');
  if (values.unwrap === undefined) throw new WrongUsage('--unwrap is needed');
  checkValues(values);
  let file: Buffer;
  try {
    file = readFileSync(path);
  } catch {
    throw new CannotRun(`${path} cannot be read`);
  }
  const from = decodeExport(file);
  const work = values.metadata === true ? printMetadata : openMessage;
  work(from, values, unwrapBy(values.unwrap));
}

/** Runs `open` and answers its exit code; what went wrong is told in a line and a hint, never a stack. */
export function openCommand(argv: readonly string[]): number {
  const tell = (line: string, hint: string): void => {
    process.stderr.write(`postseal-verify: error: ${line}\npostseal-verify: hint: ${hint}\n`);
  };
  try {
    run(argv);
    return 0;
  } catch (error) {
    if (error instanceof Refused) {
      tell(`refused: ${error.message}`, 'compare export and packs with another copy of them');
      return 70;
    }
    if (error instanceof WrongUsage) {
      tell(error.message, 'postseal-verify open --help');
      return 2;
    }
    if (error instanceof CannotRun) tell(error.message, 'nothing is said about the bytes');
    else tell('it failed for a reason of its own', 'nothing is said about the bytes');
    return 1;
  }
}
