// docs/reference/errors.md, written from the registry of codes, so that the page cannot lie. Pure.
import { errorRegistry, type ErrorSpec } from './errors.ts';

/** The whole page, as Markdown. */
export function errorsReference(): string {
  const rows = Object.entries<ErrorSpec>(errorRegistry)
    .sort(([one], [two]) => (one < two ? -1 : 1))
    .map(([code, { text, hint, retryable, exit }]) => {
      const again = retryable ? 'yes' : 'no';
      return `| \`${code}\` | ${text} | ${hint} | ${again} | ${exit} |`;
    });
  return `${[
    '# Error codes',
    '',
    'Generated from `src/kernel/errors.ts` by `npm run docs`; do not edit.',
    '',
    'The command line prints `postseal: error: …` with the sentence and the fields, and `postseal: hint: …`;',
    'the API answers `application/problem+json` with the code. Fields are ids, counts and places only. *Again*:',
    'the same call may succeed later.',
    '',
    '| code | sentence | what to do | again | exit |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n')}\n`;
}
