// The house rule of the ledger (docs/architecture.md §4): an event that is registered is written somewhere.
// Read from the syntax tree: only where a name becomes the `op` of an event it counts, not where it is
// compared, listed, or happens to be the code of an error too.
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from '@jest/globals';
import { eventNames } from '../../src/ledger/event/registry.ts';
import { readSources } from './source-tree.ts';

/** Names of properties, variables and parameters that hold the name of an event to be written. */
const holders: ReadonlySet<string> = new Set(['op', 'operation']);

const trees = readSources('src')
  .filter(({ path }) => !path.startsWith('src/ledger/event/events/'))
  .map(({ path, text }) => ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));

function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  node.forEachChild((child) => walk(child, visit));
}

function nameOf(node: ts.Node | undefined): string {
  return node !== undefined && (ts.isIdentifier(node) || ts.isPrivateIdentifier(node))
    ? node.text
    : '';
}

/** By function: at which place it takes the name of an event. */
function takers(sources: readonly ts.SourceFile[]): Map<string, Set<number>> {
  const found = new Map<string, Set<number>>();
  for (const source of sources) {
    walk(source, (node) => {
      if (!ts.isFunctionLike(node)) return;
      const place = node.parameters.findIndex(({ name }) => holders.has(nameOf(name)));
      const variable = ts.isVariableDeclaration(node.parent) ? node.parent.name : undefined;
      const name = nameOf(node.name) || nameOf(variable);
      if (place >= 0 && name !== '') found.set(name, (found.get(name) ?? new Set()).add(place));
    });
  }
  return found;
}

/** Out of the branches of `a ? b : c`, parentheses and `as const`. */
function whole(node: ts.Expression): ts.Expression {
  const { parent } = node;
  const branch =
    ts.isConditionalExpression(parent) && (parent.whenTrue === node || parent.whenFalse === node);
  return branch || ts.isParenthesizedExpression(parent) || ts.isAsExpression(parent)
    ? whole(parent)
    : node;
}

function isWritten(literal: ts.StringLiteral, places: Map<string, Set<number>>): boolean {
  const value = whole(literal);
  const { parent } = value;
  if (ts.isPropertyAssignment(parent) || ts.isVariableDeclaration(parent)) {
    return parent.initializer === value && holders.has(nameOf(parent.name));
  }
  if (!ts.isCallExpression(parent)) return false;
  const { expression } = parent;
  const called = nameOf(ts.isPropertyAccessExpression(expression) ? expression.name : expression);
  return places.get(called)?.has(parent.arguments.indexOf(value)) ?? false;
}

function written(sources: readonly ts.SourceFile[]): Set<string> {
  const places = takers(sources);
  const found = new Set<string>();
  for (const source of sources) {
    walk(source, (node) => {
      if (ts.isStringLiteral(node) && isWritten(node, places)) found.add(node.text);
    });
  }
  return found;
}

describe('events', () => {
  test('every registered event is written somewhere in src', () => {
    const found = written(trees);
    expect(eventNames.filter((name) => !found.has(name))).toEqual([]);
  });

  test('what is compared, listed, named as a type or as an error is not written', () => {
    const text = `
      type Op = 'a.typed'; interface Row { readonly op: 'a.member' }
      if (draft.op === 'a.compared') throw new PostsealError('a.code');
      const rows = { op: ['a.listed'], code: 'a.named', 'a.key': 1 };
      const made = { op: good ? 'a.first' : ('a.second' as const) };
      const op = 'a.variable';
      function draft(actor: Actor, op: Op) {}
      draft('a.actor', 'a.passed');
      this.#change('a.unknown');
    `;
    const source = ts.createSourceFile(join('src', 'x.ts'), text, ts.ScriptTarget.Latest, true);
    expect([...written([source])].sort()).toEqual([
      'a.first',
      'a.passed',
      'a.second',
      'a.variable',
    ]);
  });
});
