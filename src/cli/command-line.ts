// Reads the command line, finds its row, runs it, and turns every error into one line, one hint and
// the exit code of the contract (docs/reference/cli.md).
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { exitCode, type ExitCode, PostsealError } from '../kernel/errors.ts';
import { type ApiClient } from './api-client.ts';
import type { Offline } from './offline.ts';
import { createOutput } from './output.ts';
import { usageOf, type CliCall, type Verb } from './verb.ts';
import { verbs } from './verbs/index.ts';

export interface CommandLineDeps {
  readonly offline: Offline;
  readonly api: ApiClient;
}

/** The row for these words and what is left of them. */
function findVerb(words: readonly string[]): { verb: Verb; rest: readonly string[] } | undefined {
  const [noun, second] = words;
  const exact = verbs.find((v) => v.noun === noun && v.verb === second && v.verb !== '');
  if (exact !== undefined) return { verb: exact, rest: words.slice(2) };
  const alone = verbs.find((v) => v.noun === noun && v.verb === '');
  return alone === undefined ? undefined : { verb: alone, rest: words.slice(1) };
}

export function helpText(noun?: string): string {
  const shown = verbs.filter((verb) => noun === undefined || verb.noun === noun);
  const lines = shown.map((verb) => `  ${usageOf(verb)}\n      ${verb.summary}`);
  const head = 'Postseal: a compliance archive that speaks IMAP';
  const foot = 'Every command takes --json, --home DIR, --config FILE and --help.';
  return `${head}\n\n${lines.join('\n')}\n\n${foot}`;
}

function parse(
  verb: Verb,
  rest: readonly string[],
): { positionals: string[]; values: Record<string, unknown> } {
  const options: NonNullable<ParseArgsConfig['options']> = {
    json: { type: 'boolean' },
    home: { type: 'string' },
    config: { type: 'string' },
    help: { type: 'boolean' },
  };
  for (const [name, option] of Object.entries(verb.options ?? {})) {
    options[name] = { type: option.type, multiple: option.many === true };
  }
  try {
    const parsed = parseArgs({ args: [...rest], options, allowPositionals: true });
    return { positionals: parsed.positionals, values: { ...parsed.values } };
  } catch (error) {
    throw new PostsealError('usage', { usage: usageOf(verb) }, error);
  }
}

function checkShape(
  verb: Verb,
  positionals: readonly string[],
  values: Readonly<Record<string, unknown>>,
): void {
  const wanted = verb.arguments ?? [];
  const least = wanted.filter((argument) => argument.optional !== true).length;
  const most = wanted.some((argument) => argument.many === true) ? Infinity : wanted.length;
  const missing = Object.entries(verb.options ?? {}).some(
    ([name, option]) => option.required === true && values[name] === undefined,
  );
  if (positionals.length < least || positionals.length > most || missing) {
    throw new PostsealError('usage', { usage: usageOf(verb) });
  }
}

async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

function callOf(
  deps: CommandLineDeps,
  positionals: readonly string[],
  values: Readonly<Record<string, unknown>>,
): CliCall {
  return {
    args: positionals,
    option: (name) => {
      const value = values[name];
      return typeof value === 'string' ? value : undefined;
    },
    options: (name) => {
      const value = values[name];
      return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
    },
    flag: (name) => values[name] === true,
    out: createOutput(values['json'] === true),
    api: deps.api,
    offline: deps.offline,
    readStandardInput,
  };
}

/** Prints `postseal: error: …` and `postseal: hint: …`; answers the exit code. */
export function reportError(error: unknown): ExitCode {
  const known = error instanceof PostsealError ? error : new PostsealError('internal', {}, error);
  const text = known.message.charAt(0).toLowerCase() + known.message.slice(1).replace(/\.$/, '');
  const fields = Object.entries(known.fields).map(([name, value]) => `${name}=${String(value)}`);
  const detail = fields.length === 0 ? '' : ` (${fields.join(', ')})`;
  process.stderr.write(`postseal: error: ${text}${detail}\n`);
  if (known.code === 'internal' && error instanceof Error) {
    process.stderr.write(`${error.stack ?? error.message}\n`);
  } else {
    process.stderr.write(`postseal: hint: ${known.hint}\n`);
  }
  return known.exit;
}

/** Runs one command line (without program and script name) and answers its exit code. */
export async function runCommandLine(
  argv: readonly string[],
  deps: CommandLineDeps,
): Promise<number> {
  const words = argv.filter((word) => word !== '--help');
  const found = findVerb(words);
  if (found === undefined || words.length !== argv.length) {
    const asked = argv.length === 0 || words.length !== argv.length;
    const noun = verbs.some((verb) => verb.noun === words[0]) ? words[0] : undefined;
    if (asked) process.stdout.write(`${helpText(noun)}\n`);
    else
      process.stderr.write(
        `postseal: error: unknown command\npostseal: hint: see postseal --help\n`,
      );
    return asked ? exitCode.done : exitCode.usage;
  }
  try {
    const { positionals, values } = parse(found.verb, found.rest);
    checkShape(found.verb, positionals, values);
    return await found.verb.run(callOf(deps, positionals, values));
  } catch (error) {
    return reportError(error);
  }
}
