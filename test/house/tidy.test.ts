// The house rules about files (docs/architecture.md §1): sizes, names, purity, bans, dead files.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ownFiles } from './own-files.ts';
import { readSources, root, targetOf } from './source-tree.ts';

const sources = readSources('src', 'migrations', 'audit');
const tests = readSources('test', 'bench');

/** Files that take time, randomness and bytes as arguments. */
const pure = /^src\/(kernel|mime|imap\/wire|imap\/items|imap\/query|vault\/formats|ledger\/tree)\//;

/** Programs: nobody imports them, a process starts them. */
const entries = new Set([
  'src/app.ts',
  'src/vault/service/main.ts',
  'src/ledger/signer/main.ts',
  'src/operate/backup/key-main.ts',
  'audit/verifier/main.ts',
]);

function hits(files: readonly { path: string; text: string }[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    file.text
      .split('\n')
      .map((line, i) => ({ line, at: `${file.path}:${i + 1}` }))
      .filter(({ line }) => pattern.test(line.replace(/\/\/.*$|^\s*\*.*$/, '')))
      .map(({ at }) => at),
  );
}

describe('tidy', () => {
  test('no file is over 400 lines', () => {
    const long = [...sources, ...tests].filter((f) => f.text.split('\n').length > 401);
    expect(long.map((f) => f.path)).toEqual([]);
  });

  test('no file is named after nothing', () => {
    const vague = /(^|\/)(utils?|helpers?|common|manager|misc)(\.|\/|-)/;
    expect(ownFiles().filter((path) => /\.(ts|mjs|js)$/.test(path) && vague.test(path))).toEqual(
      [],
    );
  });

  test('file names are kebab-case', () => {
    const wrong = sources.filter(
      (f) => !/\/[a-z0-9]+(-[a-z0-9]+)*(\.store)?\.tsx?$/.test(`/${f.path}`),
    );
    expect(wrong.map((f) => f.path)).toEqual([]);
  });

  test('every file says on its first line what it is', () => {
    const silent = sources.filter((f) => !/^(#!.*\n)?(\/\/|\/\*\*?)/.test(f.text));
    expect(silent.map((f) => f.path)).toEqual([]);
  });

  test('pure files read no clock, no randomness, no disk and no network', () => {
    const impure =
      /\bDate\.now\(|new Date\(\)|performance\.now|Math\.random|randomBytes|randomUUID|process\.|from 'node:(fs|net|tls|http|child_process|worker_threads)/;
    expect(
      hits(
        sources.filter((f) => pure.test(f.path)),
        impure,
      ),
    ).toEqual([]);
  });

  test('nothing prints past the log, nothing is mocked, nothing is silenced', () => {
    expect(hits(sources, /\bconsole\.|@ts-(ignore|expect-error|nocheck)|\bas any\b/)).toEqual([]);
    expect(hits(tests, /jest\.mock\(|\.only\(|\bxtest\(|expect\(true\)/)).toEqual([]);
  });

  test('no file is dead: each is imported or is a program', () => {
    const imported = new Set(
      [...sources, ...tests].flatMap((f) => f.imports.map((i) => targetOf(f, i.from) ?? '')),
    );
    const bin = readFileSync(join(root, 'package.json'), 'utf8');
    const dead = sources.filter(
      (f) =>
        !imported.has(f.path) &&
        !entries.has(f.path) &&
        !bin.includes(f.path) &&
        !hits(sources, new RegExp(`${f.path.split('/').at(-1) ?? ''}'`)).length,
    );
    expect(dead.map((f) => f.path)).toEqual([]);
  });

  test('no folder is empty and every room of src is a room of the list', () => {
    const empty = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
      .filter((e) => e.isDirectory())
      .map((e) => join(e.parentPath, e.name))
      .filter((dir) => readdirSync(dir).length === 0);
    expect(empty).toEqual([]);
  });

  test('no key material and no workplace name is committed', () => {
    const secrets = /-----BEGIN (RSA |EC |ENCRYPTED )?PRIVATE KEY-----/;
    const text = ownFiles()
      .filter(
        (p) => /\.(ts|mjs|js|json|md|yml|sh|sql)$|^\.ci\/run$/.test(p) && p !== 'package-lock.json',
      )
      .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
    const here = 'test/house/tidy.test.ts';
    expect(text.filter((f) => f.path !== here && secrets.test(f.text)).map((f) => f.path)).toEqual(
      [],
    );
    const workplace = /\/work\/(main|scratch|shared|\.library)|farm-(studio|bench)|\bduplicates --/;
    expect(
      text.filter((f) => f.path !== here && workplace.test(f.text)).map((f) => f.path),
    ).toEqual([]);
  });
});
