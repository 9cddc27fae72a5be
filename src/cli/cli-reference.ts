// docs/reference/cli.md, written from the verb registry, so that the page cannot lie. Pure.
import { exitCode } from '../kernel/errors.ts';
import { usageOf, type Verb } from './verb.ts';
import { verbs } from './verbs/index.ts';

const head = `# Command line

Generated from \`src/cli/verbs/\` by \`npm run docs\`; do not edit.

\`npx postseal <noun> <verb> [--flags]\` in the checkout. Every command takes \`--json\` (the result as JSON),
\`--home DIR\`, \`--config FILE\` and \`--help\` (\`-h\`, or \`help\` before its words); \`--version\` and \`-V\` are \`version\`. Results go to standard output, everything else to standard
error. Passwords are asked on the terminal or read from standard input, never taken from arguments. A script
names a person in \`POSTSEAL_PERSON\` and a file with the password in \`POSTSEAL_PASSWORD_FILE\`; each command then
signs in and out.
`;

const exits: Readonly<Record<keyof typeof exitCode, string>> = {
  done: 'done',
  failure: 'a finding, a refusal or a failure',
  usage: 'the command line is not right',
  integrity: 'stored bytes or the ledger do not match: tampering or decay',
  configuration: 'the configuration, a passphrase or a PIN is not right',
};

/** A cell of a table: a bar would end it. */
const cell = (text: string): string => text.replaceAll('|', '\\|');

function section(verb: Verb): string {
  const lines = [
    `### ${[verb.noun, verb.verb].join(' ').trim()}`,
    '',
    `\`${usageOf(verb)}\``,
    '',
    `${verb.summary}.`,
  ];
  const given = [
    ...(verb.arguments ?? []).map(({ name, text }) => [name, text]),
    ...Object.entries(verb.options ?? {}).map(([name, { text }]) => [`--${name}`, text]),
  ];
  if (given.length > 0) {
    lines.push('', '| word | meaning |', '|---|---|');
    lines.push(...given.map(([name, text]) => `| \`${name ?? ''}\` | ${cell(text ?? '')} |`));
  }
  return lines.join('\n');
}

/** The whole page, as Markdown. */
export function cliReference(): string {
  const nouns = [...new Set(verbs.map(({ noun }) => noun))].sort();
  const sections = nouns.flatMap((noun) => [
    `## ${noun}`,
    ...verbs.filter((verb) => verb.noun === noun).map(section),
  ]);
  const codes = Object.entries(exits).map(
    ([name, text]) => `| ${exitCode[name as keyof typeof exitCode]} | ${text} |`,
  );
  return `${[
    head.trimEnd(),
    ['| exit | meaning |', '|---|---|', ...codes].join('\n'),
    ...sections,
  ].join('\n\n')}\n`;
}
