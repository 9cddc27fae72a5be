// docs/reference/alerts.md, written from the registry of alerts, so that the page cannot lie. Pure.
import { alertDeadlineMinutes, alertRegistry, type AlertSpec } from './alert-registry.ts';

/** The whole page, as Markdown. */
export function alertsReference(): string {
  const rows = Object.entries<AlertSpec>(alertRegistry)
    .sort(([one], [two]) => (one < two ? -1 : 1))
    .map(([code, { class: alertClass, text, act }]) => {
      return `| \`${code}\` | ${alertClass} | ${text} | ${act} |`;
    });
  const deadlines = Object.entries(alertDeadlineMinutes)
    .map(([alertClass, minutes]) => `${alertClass} within ${String(minutes)} minutes`)
    .join(', ');
  return `${[
    '# Alerts',
    '',
    'Generated from `src/platform/alerts/alert-registry.ts` by `npm run docs`; do not edit.',
    '',
    `What a human must act on: ${deadlines}. Each stands in the log as \`alert.state.raised\` and is counted in`,
    '`postseal_alerts_total{class, code}`. The same alert, with the same fields, is told again only after its',
    'time has passed. Fields are ids, counts and places only.',
    '',
    '| code | class | what happened | what to do |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n')}\n`;
}
