// docs/reference/log.md, written from the registry of log events, so that the page cannot lie. Pure.
import { logEvents } from './log-events.ts';

/** The whole page, as Markdown. */
export function logReference(): string {
  const rows = Object.entries(logEvents)
    .sort(([one], [two]) => (one < two ? -1 : 1))
    .map(([event, text]) => `| \`${event}\` | ${text} |`);
  return `${[
    '# Program log',
    '',
    'Generated from `src/platform/log/log-events.ts` by `npm run docs`; do not edit.',
    '',
    'One JSON line an event in `$POSTSEAL_HOME/log/`: `postseal.log` of the primary process, `worker-N.log` of',
    'each worker, `postgres.log` of the embedded PostgreSQL. Members are `at`, `level`, `event`, `role` and ids,',
    'counts and places; secrets and personal data are not logged. The log may be lost: what must be provable',
    'is in the [ledger](events.md).',
    '',
    '| event | meaning |',
    '|---|---|',
    ...rows,
  ].join('\n')}\n`;
}
