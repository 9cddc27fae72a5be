// Reads the Markdown pages once for the house tests: text, headings with their anchors, code and links.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ownFiles } from './own-files.ts';
import { root } from './source-tree.ts';

export interface Page {
  /** Path from the repository root. */
  readonly path: string;
  readonly text: string;
  /** Levels of the headings in their order. */
  readonly levels: readonly number[];
  /** Anchors of the headings, as GitHub makes them. */
  readonly anchors: ReadonlySet<string>;
  /** Fenced blocks, fences included. */
  readonly blocks: readonly string[];
  /** Inline code outside the blocks. */
  readonly code: readonly string[];
  readonly links: readonly string[];
}

const fence = /^(```|~~~)[^\n]*\n[\s\S]*?^\1\s*$/gm;

function anchorOf(heading: string): string {
  return heading
    .replace(/[`*]/g, '')
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');
}

export function readPage(path: string): Page {
  const text = readFileSync(join(root, path), 'utf8');
  const prose = text.replace(fence, '');
  const headings = [...prose.matchAll(/^(#{1,6}) (.+)$/gm)];
  return {
    path,
    text,
    levels: headings.map(([, marks]) => marks!.length),
    anchors: new Set(headings.map(([, , heading]) => anchorOf(heading!))),
    blocks: text.match(fence) ?? [],
    code: [...prose.matchAll(/`([^`\n]+)`/g)].map(([, inner]) => inner!),
    links: [...prose.replace(/`[^`\n]*`/g, '').matchAll(/\]\(([^)\s]+)\)/g)].map(([, to]) => to!),
  };
}

/** Every page of the repository. */
export function readPages(): Page[] {
  return ownFiles()
    .filter((path) => path.endsWith('.md'))
    .map(readPage);
}
