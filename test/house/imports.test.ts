// The house rules about imports (docs/architecture.md §1): downwards only, no circle, one home for
// every outside package.
import { describe, expect, test } from '@jest/globals';
import { packageOf, readSources, roomOf, rooms, targetOf } from './source-tree.ts';

const sources = readSources('src');

/** Where each outside package may be imported; anything not listed may be imported nowhere. */
const homes: Record<string, RegExp> = {
  typeorm: /^(src\/platform\/postgres\/|migrations\/)|\.store\.ts$/,
  pg: /^(src\/platform\/postgres\/|migrations\/)|\.store\.ts$/,
  'pg-boss': /^src\/platform\/jobs\//,
  'node-cron': /^src\/platform\/jobs\//,
  ajv: /^src\/platform\//,
  'ajv-formats': /^src\/platform\//,
  winston: /^src\/platform\/log\//,
  'prom-client': /^src\/platform\/metrics\//,
  'reflect-metadata': /^src\/platform\/tls\//,
  '@peculiar/x509': /^src\/platform\/tls\//,
  '@aws-sdk/client-s3': /^src\/vault\/s3\//,
  pkcs11js: /^src\/vault\/pkcs11\//,
  '@noble/ciphers': /^src\/vault\/xchacha\.ts$/,
  '@node-rs/argon2': /^src\/access\//,
  'smtp-server': /^src\/intake\//,
  fastify: /^src\/admin\//,
  'cli-progress': /^src\/cli\//,
  // The demo plays a mail program and a mail server against its own scratch home.
  imapflow: /^src\/app\/demo\.ts$/,
  nodemailer: /^src\/app\/demo\.ts$/,
};

describe('imports', () => {
  test('every source file lies in a room of the list', () => {
    expect(sources.filter((f) => roomOf(f.path) === undefined).map((f) => f.path)).toEqual([]);
  });

  test('a room imports only from itself and from rooms above it', () => {
    const wrong = sources.flatMap((file) =>
      file.imports.flatMap(({ from }) => {
        const target = targetOf(file, from);
        if (target === undefined || !target.startsWith('src/')) return [];
        const here = rooms.indexOf(roomOf(file.path) as (typeof rooms)[number]);
        const there = rooms.indexOf(roomOf(target) as (typeof rooms)[number]);
        return there > here ? [`${file.path} -> ${target}`] : [];
      }),
    );
    expect(wrong).toEqual([]);
  });

  test('sources import nothing from tests, benches or scripts; migrations only from the app', () => {
    const wrong = sources.flatMap((file) =>
      file.imports.flatMap(({ from }) => {
        const target = targetOf(file, from);
        return target !== undefined && !/^(src|migrations)\//.test(target)
          ? [`${file.path} -> ${target}`]
          : [];
      }),
    );
    expect(wrong).toEqual([]);
  });

  test('no circle between files', () => {
    const graph = new Map<string, string[]>();
    for (const file of sources) {
      const targets = file.imports
        .filter((i) => !i.typeOnly)
        .map((i) => targetOf(file, i.from))
        .filter((t): t is string => t !== undefined);
      graph.set(file.path, targets);
    }
    const state = new Map<string, 'open' | 'done'>();
    const circles: string[] = [];
    const visit = (path: string, trail: string[]): void => {
      if (state.get(path) === 'done') return;
      if (state.get(path) === 'open') {
        circles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
        return;
      }
      state.set(path, 'open');
      for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
      state.set(path, 'done');
    };
    for (const path of graph.keys()) visit(path, []);
    expect(circles).toEqual([]);
  });

  test('every outside package is imported only in its home', () => {
    const wrong = sources.flatMap((file) =>
      file.imports.flatMap(({ from, typeOnly }) => {
        const name = packageOf(from);
        if (name === undefined) return [];
        // A type leaves no trace at run time: the shape of a database client may be named anywhere below the platform.
        if (typeOnly && name === 'pg') return [];
        const home = homes[name];
        return home !== undefined && home.test(file.path) ? [] : [`${file.path} imports ${name}`];
      }),
    );
    expect(wrong).toEqual([]);
  });

  test('the auditor’s verifier imports nothing from src', () => {
    const wrong = readSources('audit').flatMap((file) =>
      file.imports
        .filter(({ from }) => !from.startsWith('node:'))
        .map(({ from }) => ({ from, target: targetOf(file, from) }))
        .filter(({ target }) => target?.startsWith('audit/') !== true)
        .map(({ from }) => `${file.path} imports ${from}`),
    );
    expect(wrong).toEqual([]);
  });
});
