// Reads the command line, finds its row, runs it, and turns every error into one line, one hint and
// the exit code of the contract (docs/reference/cli.md).
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { exitCode, type ExitCode, PostsealError } from '../kernel/errors.ts';
import { type ApiClient } from './api-client.ts';
import type { Offline } from './offline.ts';
import { createOutput, printable } from './output.ts';
import { askPassword } from './prompt.ts';
import type { Session } from './session.ts';
import { usageOf, type CliCall, type Verb } from './verb.ts';
import { verbs } from './verbs/index.ts';

export interface CommandLineDeps {
  readonly offline: Offline;
  readonly api: ApiClient;
  readonly session: Session;
}

/** What every command takes. */
const globalOptions = {
  json: { type: 'boolean' },
  home: { type: 'string' },
  config: { type: 'string' },
  help: { type: 'boolean' },
} as const satisfies NonNullable<ParseArgsConfig['options']>;

function isGlobal(word: string | undefined): boolean {
  if (word?.startsWith('--') !== true) return false;
  return Object.hasOwn(globalOptions, word.slice(2).split('=')[0] ?? '');
}

/** Words that stand for options of every command before the noun go behind it, where they are parsed. */
function nounFirst(argv: readonly string[]): string[] {
  const early: string[] = [];
  const rest = [...argv];
  for (let word = rest[0]; word?.startsWith('--') === true; word = rest[0]) {
    const name = word.slice(2).split('=')[0] ?? '';
    if (!isGlobal(word)) break;
    const takesNext = ['home', 'config'].includes(name) && !word.includes('=');
    early.push(...rest.splice(0, takesNext ? 2 : 1));
  }
  return [...rest, ...early];
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
  const foot =
    'Every command takes --json, --home DIR, --config FILE and --help (-h). --version (-V) is version.';
  return `${head}\n\n${lines.join('\n')}\n\n${foot}`;
}

function parse(
  verb: Verb,
  rest: readonly string[],
): { positionals: string[]; values: Record<string, unknown> } {
  const options: NonNullable<ParseArgsConfig['options']> = { ...globalOptions };
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

/** All of standard input as text without its last line end. */
async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

async function readPassword(
  fromInput: boolean,
  kind: 'own' | 'new',
  of: string | undefined,
): Promise<string> {
  if (fromInput) return readStandardInput();
  if (!process.stdin.isTTY) throw new PostsealError('usage', { missing: '--password-stdin' });
  const terminal = { input: process.stdin, output: process.stderr };
  return askPassword(terminal, { isNew: kind === 'new', of });
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
    session: deps.session,
    readPassword: (kind, of) => readPassword(values['password-stdin'] === true, kind, of),
  };
}

/** Prints `postseal: error: …` and `postseal: hint: …`; answers the exit code. */
export function reportError(error: unknown): ExitCode {
  const known = error instanceof PostsealError ? error : new PostsealError('internal', {}, error);
  const text = known.message.charAt(0).toLowerCase() + known.message.slice(1).replace(/\.$/, '');
  const fields = Object.entries(known.fields).map(([name, value]) => `${name}=${String(value)}`);
  const detail = fields.length === 0 ? '' : ` (${fields.join(', ')})`;
  process.stderr.write(`postseal: error: ${printable(`${text}${detail}`)}\n`);
  if (known.code === 'internal' && error instanceof Error && error !== known) {
    process.stderr.write(`${error.stack ?? error.message}\n`);
  } else {
    process.stderr.write(`postseal: hint: ${known.hint}\n`);
  }
  return known.exit;
}

/** Usage, what it does, and what each word means. */
function verbHelp(verb: Verb): string {
  const words = [
    ...(verb.arguments ?? []).map(({ name, text }) => [name, text] as const),
    ...Object.entries(verb.options ?? {}).map(([name, { text }]) => [`--${name}`, text] as const),
  ];
  const width = Math.max(0, ...words.map(([name]) => name.length));
  const lines = words.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
  return [usageOf(verb), `  ${verb.summary}.`, ...lines].join('\n');
}

/** Help where it is asked for about something that exists, else a refusal; `words` name no command. */
function withoutVerb(words: readonly string[], asked: boolean): ExitCode {
  const noun = verbs.some((verb) => verb.noun === words[0]) ? words[0] : undefined;
  const [, second] = words;
  const isNoun = noun !== undefined && (second === undefined || isGlobal(second));
  if (words.length === 0 || (asked && isNoun)) {
    process.stdout.write(`${helpText(noun)}\n`);
    return exitCode.done;
  }
  const hint = noun === undefined ? 'see postseal --help' : `see postseal ${noun} --help`;
  process.stderr.write(`postseal: error: unknown command\npostseal: hint: ${hint}\n`);
  return exitCode.usage;
}

const helpWords: ReadonlySet<string> = new Set(['--help', '-h']);
const versionWords: ReadonlySet<string> = new Set(['--version', '-V']);

/** What people type out of habit, in our words: `help account create`, `-h`, `--version`, `-V`. */
function inOurWords(argv: readonly string[]): {
  readonly given: string[];
  readonly asked: boolean;
} {
  const [first = '', ...rest] = nounFirst(argv);
  const words = versionWords.has(first) ? ['version', ...rest] : [first, ...rest];
  const asked = first === 'help' || words.some((word) => helpWords.has(word));
  const given = words.filter((word) => word !== '' && !helpWords.has(word));
  return { given: first === 'help' ? given.slice(1) : given, asked };
}

/** Runs one command line (without program and script name) and answers its exit code. */
export async function runCommandLine(
  argv: readonly string[],
  deps: CommandLineDeps,
): Promise<number> {
  const { given, asked } = inOurWords(argv);
  const found = findVerb(given);
  if (found !== undefined && asked) {
    process.stdout.write(`${verbHelp(found.verb)}\n`);
    return exitCode.done;
  }
  if (found === undefined) return withoutVerb(isGlobal(given[0]) ? [] : given, asked);
  try {
    const { positionals, values } = parse(found.verb, found.rest);
    checkShape(found.verb, positionals, values);
    return await found.verb.run(callOf(deps, positionals, values));
  } catch (error) {
    return reportError(error);
  } finally {
    await deps.session.end();
  }
}
