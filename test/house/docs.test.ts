// The house rules about documentation: generated pages are what would be generated now, links and
// paths lead somewhere, commands exist, both languages of the README say the same.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { roles } from '../../src/access/roles.ts';
import { apiReference } from '../../src/app/api-reference.ts';
import { cliReference } from '../../src/cli/cli-reference.ts';
import { verbs } from '../../src/cli/verbs/index.ts';
import { commands } from '../../src/imap/commands/index.ts';
import { errorRegistry } from '../../src/kernel/errors.ts';
import { errorsReference } from '../../src/kernel/errors-reference.ts';
import { eventsReference } from '../../src/ledger/event/events-reference.ts';
import { alertRegistry } from '../../src/platform/alerts/alert-registry.ts';
import { alertsReference } from '../../src/platform/alerts/alerts-reference.ts';
import { logReference } from '../../src/platform/log/log-reference.ts';
import { configReference } from '../../src/platform/config/reference.ts';
import { readPage, readPages } from './docs-tree.ts';
import { readSources, root } from './source-tree.ts';

const pages = readPages();
const own = pages.filter(({ path }) => !path.startsWith('docs/reference/'));
/** Decisions tell of what was before; formats have labels that look like commands. */
const guides = own.filter(({ path }) => !/^docs\/(adr|formats)\//.test(path));

const renderers: Readonly<Record<string, () => string>> = {
  alertsReference,
  apiReference,
  cliReference,
  configReference,
  errorsReference,
  eventsReference,
  logReference,
};

interface GeneratedPage {
  readonly page: string;
  readonly module: string;
  readonly render: string;
}

const generated = JSON.parse(
  readFileSync(join(root, 'scripts', 'docs-pages.json'), 'utf8'),
) as GeneratedPage[];

/** What a text calls as `postseal …`: at most noun and verb. */
function calls(text: string): string[][] {
  return [...text.matchAll(/(?:^|[^-\w/.])postseal ((?:[a-z]+)(?: [a-z-]+)?)/g)].map(([, words]) =>
    words!.split(' '),
  );
}

function isCommand([noun, second]: readonly string[]): boolean {
  const rows = verbs.filter((verb) => verb.noun === noun);
  if (rows.length === 0) return false;
  // `account` alone names the noun; a noun without verbs may be followed by anything.
  return second === undefined || rows.some(({ verb }) => verb === '' || verb === second);
}

describe('generated pages', () => {
  test.each(generated)('docs/reference/$page (npm run docs writes it)', async (row) => {
    const path = join(root, 'docs', 'reference', row.page);
    expect(readFileSync(path, 'utf8')).toBe(renderers[row.render]?.());
    const module = (await import(pathToFileURL(join(root, row.module)).href)) as object;
    expect(Object.keys(module)).toContain(row.render);
  });

  test('nothing in docs/reference is written by hand', () => {
    const names = generated.map(({ page }) => page).sort();
    expect(readdirSync(join(root, 'docs', 'reference')).sort()).toEqual(names);
  });
});

describe('pages', () => {
  test('relative links lead to files and headings that are there', () => {
    const broken = pages.flatMap((page) =>
      page.links.flatMap((link) => {
        if (/^[a-z]+:/.test(link)) return [];
        const [file = '', anchor] = link.split('#');
        const target = file === '' ? page.path : join(dirname(page.path), file);
        if (!existsSync(join(root, target))) return [`${page.path} -> ${link}`];
        if (anchor === undefined || !target.endsWith('.md')) return [];
        const known = readPage(target).anchors.has(decodeURIComponent(anchor));
        return known ? [] : [`${page.path} -> ${link}`];
      }),
    );
    expect(broken).toEqual([]);
  });

  test('paths of the repository that are named exist', () => {
    const path = /^(src|test|docs|scripts|migrations|audit|keys|bench|\.ci)\/[\w./-]+$/;
    const missing = guides.flatMap((page) =>
      page.code
        .filter((code) => path.test(code) && !existsSync(join(root, code)))
        .map((code) => `${page.path}: ${code}`),
    );
    expect(missing).toEqual([]);
  });

  test('commands that pages and hints name exist', () => {
    const named = [
      ...guides.flatMap((page) => {
        const shell = page.blocks.flatMap((block) =>
          block.split('\n').filter((line) => /^(\$ |printf |npx )/.test(line)),
        );
        return [...page.code, ...shell].flatMap((text) =>
          calls(text.replaceAll('npx postseal', 'postseal')).map((words) => ({
            at: page.path,
            words,
          })),
        );
      }),
      ...Object.entries(errorRegistry).flatMap(([code, { hint }]) =>
        calls(hint).map((words) => ({ at: code, words: words.slice(0, 2) })),
      ),
      ...Object.entries(alertRegistry).flatMap(([code, { act }]) =>
        calls(act).map((words) => ({ at: code, words: words.slice(0, 2) })),
      ),
    ].filter(({ words }) => words[0] !== 'ready');
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter(({ words }) => !isCommand(words))).toEqual([]);
  });

  test('npm scripts that pages name exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const wrong = own.flatMap((page) =>
      [...page.text.matchAll(/npm run ([a-z][a-z:-]*)/g)]
        .filter(([, name]) => scripts[name!] === undefined)
        .map(([call]) => `${page.path}: ${call}`),
    );
    expect(wrong).toEqual([]);
  });

  test('decisions have numbers of their own and are short', () => {
    const records = readdirSync(join(root, 'docs', 'adr')).sort();
    const numbers = records.map((name) => /^(\d{4})-[a-z0-9-]+\.md$/.exec(name)?.[1]);
    expect(new Set(numbers).size).toBe(records.length);
    const long = records.filter(
      (name) => readFileSync(join(root, 'docs', 'adr', name), 'utf8').split('\n').length > 31,
    );
    expect(long).toEqual([]);
  });
});

describe('README', () => {
  const english = readPage('README.md');
  const chinese = readPage('README.zh-CN.md');

  /** Labels of a drawing are in the language of the page. */
  const shapes = ({ blocks }: typeof english): string[] =>
    blocks.map((text) => (text.startsWith('```mermaid') ? text.replace(/"[^"]*"/g, '""') : text));

  test('both languages have the same headings, code, tables and links', () => {
    expect(chinese.levels).toEqual(english.levels);
    expect(shapes(chinese)).toEqual(shapes(english));
    const rows = (text: string): number =>
      text.split('\n').filter((line) => /^\|/.test(line)).length;
    expect(rows(chinese.text)).toBe(rows(english.text));
    const links = ({ links: all }: typeof english): string[] =>
      all.map((to) => to.replace(/^README(\.zh-CN)?\.md$/, 'README').replace(/^#.*/, '#')).sort();
    expect(links(chinese)).toEqual(links(english));
    expect(chinese.code.filter((code) => /^[\x20-\x7e]+$/.test(code)).sort()).toEqual(
      english.code.filter((code) => /^[\x20-\x7e]+$/.test(code)).sort(),
    );
  });

  test('its folder table has every folder of the repository', () => {
    const folders = ['src', 'audit', 'keys', 'migrations', 'test', 'bench', 'docs', 'scripts'];
    const missing = folders.filter((folder) => !english.code.includes(`${folder}/`));
    expect(missing).toEqual([]);
  });
});

describe('pages that must be complete', () => {
  test('docs/imap.md names every command and every capability', () => {
    const { text } = readPage('docs/imap.md');
    const capabilities = commands.flatMap((row) => row.capabilities.map(({ name }) => name));
    const fixed = capabilities.filter((name) => typeof name === 'string');
    const names = [...commands.map(({ name }) => name), ...fixed];
    expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });

  test('docs/security/leakage.md names every table', () => {
    const { text } = readPage('docs/security/leakage.md');
    const tables = readSources('migrations').flatMap((file) =>
      [...file.text.matchAll(/CREATE TABLE public\.([a-z_]+)[ (]/g)].map(([, name]) => name!),
    );
    expect(tables.length).toBeGreaterThan(20);
    expect(tables.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });

  test('docs/security/roles.md names every role', () => {
    const { text } = readPage('docs/security/roles.md');
    expect(roles.filter((role) => !text.includes(`\`${role}\``))).toEqual([]);
  });
});
