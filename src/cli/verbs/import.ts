// Imports of mail from files: the command reads them and streams framed items to the server, which
// answers one line an item.
import { type FileHandle, open } from 'node:fs/promises';
import { exitCode, PostsealError } from '../../kernel/errors.ts';
import { frameItem, type ImportItem, type LineEnds } from '../../intake/import/import-item.ts';
import { readEml, readMaildir, type ReadOptions } from '../../intake/import/read-files.ts';
import { readMbox } from '../../intake/import/read-mbox.ts';
import { fileError, readable } from '../../intake/import/readable.ts';
import type { CliCall, Verb } from '../verb.ts';

type Reader = (paths: readonly string[], options: ReadOptions) => AsyncIterable<ImportItem>;

async function* each(
  paths: readonly string[],
  read: (path: string) => AsyncIterable<ImportItem>,
): AsyncGenerator<ImportItem> {
  for (const path of paths) {
    for await (const item of readable(read(path), path)) {
      const key = paths.length > 1 ? `${path}${item.head.key}` : item.head.key;
      yield { ...item, head: { ...item.head, key } };
    }
  }
}

const readers: Readonly<Record<string, { reader: Reader; lineEnds: LineEnds; text: string }>> = {
  mbox: {
    reader: (paths, options) => each(paths, (path) => readMbox(path, options)),
    lineEnds: 'auto',
    text: 'Import mbox files into an account',
  },
  eml: {
    reader: (paths, options) => readable(readEml(paths, options), paths[0] ?? ''),
    lineEnds: 'keep',
    text: 'Import single message files, or folders of them, into an account',
  },
  maildir: {
    reader: (paths, options) => each(paths, (path) => readMaildir(path, options)),
    lineEnds: 'auto',
    text: 'Import Maildir and Maildir++ folders into an account',
  },
};

function lineEndsOf(call: CliCall, fallback: LineEnds): LineEnds {
  const given = call.option('line-ends') ?? fallback;
  if (given !== 'auto' && given !== 'keep') {
    throw new PostsealError('usage', { option: 'line-ends', finding: 'must be auto or keep' });
  }
  return given;
}

async function* framed(
  items: AsyncIterable<ImportItem>,
  onItem: () => void,
): AsyncGenerator<Buffer> {
  for await (const item of items) {
    onItem();
    yield* frameItem(item);
  }
}

/** Opened before anything is stored, so that a result that cannot be kept is told first. */
async function openResults(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'w');
  } catch (error) {
    throw fileError(error, path);
  }
}

async function runImport(call: CliCall, format: string): Promise<0 | 1> {
  const [account = '', ...paths] = call.args;
  const source = readers[format];
  if (source === undefined || paths.length === 0) throw new PostsealError('usage');
  const options = {
    folder: call.option('folder') ?? 'INBOX',
    lineEnds: lineEndsOf(call, source.lineEnds),
  };
  const resultFile = call.option('results');
  const results = resultFile === undefined ? undefined : await openResults(resultFile);
  const progress = call.out.progress(`import ${format}`);
  let read = 0;
  let answered = 0;
  const stream = framed(source.reader(paths, options), () => (read += 1));
  let summary: unknown;
  const failures: string[] = [];
  try {
    for await (const line of call.api.lines({
      method: 'POST',
      path: '/imports',
      query: { account },
      stream,
    })) {
      const item = line as { done?: unknown; key?: string; status?: string; text?: string };
      if (item.done !== undefined) {
        summary = item.done;
        continue;
      }
      answered += 1;
      progress.update(answered, read);
      await results?.write(`${JSON.stringify(item)}\n`);
      if (item.status === 'failed') failures.push(`failed: ${item.key ?? ''}: ${item.text ?? ''}`);
    }
  } finally {
    progress.stop();
    await results?.close();
  }
  if (summary === undefined) throw new PostsealError('server.connection-lost');
  const { stored, present, failed } = summary as {
    stored: number;
    present: number;
    failed: number;
  };
  if (answered === 0) throw new PostsealError('import.empty');
  call.out.result(summary, [...failures, `stored ${stored}, present ${present}, failed ${failed}`]);
  return failed === 0 ? exitCode.done : exitCode.failure;
}

export const importVerbs: readonly Verb[] = Object.entries(readers).map(([format, { text }]) => ({
  noun: 'import',
  verb: format,
  summary: `${text}; running it again stores nothing twice`,
  arguments: [
    { name: 'ACCOUNT', text: 'name of the account' },
    { name: 'PATH', text: 'file or folder', many: true },
  ],
  options: {
    folder: { type: 'string', text: 'target folder (default INBOX)', value: 'NAME' },
    'line-ends': { type: 'string', text: 'auto or keep', value: 'MODE' },
    results: { type: 'string', text: 'write one JSON line an item here', value: 'FILE' },
  },
  run: (call: CliCall) => runImport(call, format),
}));
