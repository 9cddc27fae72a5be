#!/usr/bin/env node
// `postseal-verify`: reads files only, no network, no database. Exit 0 clean, 1 could not run,
// 2 tampering; `open` has codes of its own. Usage in README.md.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CannotRun } from './finding.ts';
import { digest } from './hashes.ts';
import { type LogKey, readKey } from './note.ts';
import { openCommand, openUsage } from './open-command.ts';
import { verifyDirectory } from './verify-directory.ts';
import { verifyProof } from './verify-proof.ts';

const usage = `usage: postseal-verify DIR [--key FILE] [--json]
       postseal-verify proof FILE --leaf FILE --key FILE [--json]
${openUsage.replace('usage:', '      ')}`;

function readFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    throw new CannotRun(`${path} cannot be read`);
  }
}

function keyOf(path: string): LogKey {
  const bytes = readFile(path);
  try {
    return readKey(bytes);
  } catch {
    throw new CannotRun(`${path} is no public key (SubjectPublicKeyInfo, DER)`);
  }
}

interface Answer {
  readonly tampered: boolean;
  readonly report: object;
  readonly lines: readonly string[];
}

function directory(dir: string, keyFile: string | undefined): Answer {
  const key = keyOf(keyFile ?? join(dir, 'public-key.der'));
  const report = verifyDirectory(dir, key);
  const fingerprint = digest(key.spki).toString('hex');
  const source = keyFile === undefined ? 'the folder itself: compare the fingerprint' : 'given';
  return {
    tampered: report.verdict === 'tampered',
    report: { ...report, key: { fingerprint, source } },
    lines: [
      `origin ${report.origin}`,
      `size ${report.size}`,
      `root ${report.root}`,
      `key ${fingerprint} (${source})`,
      `checked ${report.tiles} tiles, ${report.checkpoints} checkpoints, ${report.boots} boots`,
      ...report.notices.map(({ place, what }) => `notice: ${place}: ${what}`),
      ...report.findings.map(({ place, what }) => `tampered: ${place}: ${what}`),
      report.verdict,
    ],
  };
}

function proof(file: string, leafFile: string, keyFile: string): Answer {
  const report = verifyProof(readFile(file), readFile(leafFile), keyOf(keyFile));
  const { verdict, index = 0, size = 0, origin = '', what = '' } = report;
  const line = verdict === 'clean' ? `leaf ${index} of ${size} in ${origin}` : `tampered: ${what}`;
  return { tampered: verdict === 'tampered', report, lines: [line, verdict] };
}

function run(argv: readonly string[]): { answer: Answer; json: boolean } {
  const text = { type: 'string' } as const;
  const options = { key: text, leaf: text, json: { type: 'boolean' } } as const;
  let parsed;
  try {
    parsed = parseArgs({ args: [...argv], options, allowPositionals: true });
  } catch {
    throw new CannotRun(usage);
  }
  const { values, positionals } = parsed;
  const json = values.json === true;
  const [first, second] = positionals;
  if (
    first === 'proof' &&
    second !== undefined &&
    values.leaf !== undefined &&
    values.key !== undefined
  ) {
    return { answer: proof(second, values.leaf, values.key), json };
  }
  if (first === undefined || second !== undefined) throw new CannotRun(usage);
  return { answer: directory(first, values.key), json };
}

/** Checks a ledger; answers the exit code. */
function check(argv: readonly string[]): number {
  try {
    const { answer, json } = run(argv);
    process.stdout.write(
      json ? `${JSON.stringify(answer.report, null, 2)}\n` : `${answer.lines.join('\n')}\n`,
    );
    return answer.tampered ? 2 : 0;
  } catch (error) {
    // Whatever stopped it, nothing was decided about the ledger.
    process.stderr.write(`postseal-verify: ${error instanceof Error ? error.message : 'failed'}\n`);
    return 1;
  }
}

const [command, ...rest] = process.argv.slice(2);
if (command === '--help' || command === '-h') process.stdout.write(`${usage}\n`);
else process.exitCode = command === 'open' ? openCommand(rest) : check(process.argv.slice(2));
