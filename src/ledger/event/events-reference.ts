// docs/reference/events.md, written from the registry, so that the page cannot lie. Pure.
import { eventNames, eventRegistry } from './registry.ts';

/** The whole page, as Markdown. */
export function eventsReference(): string {
  const rows = eventNames.map((name) => {
    const { class: eventClass, severity, retentionClass, objects, text } = eventRegistry[name];
    const kinds = objects.length === 0 ? '–' : objects.map((kind) => `\`${kind}\``).join(' ');
    return `| \`${name}\` | ${eventClass} | ${severity} | ${retentionClass} | ${kinds} | ${text} |`;
  });
  return `${[
    '# Ledger events',
    '',
    'Generated from `src/ledger/event/registry.ts`. The bytes of an event: `docs/formats/leaf.md`.',
    '',
    '| event | class | severity | retention | objects | meaning |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
    'Class: A = in the transaction of the change, B = durable before the answer, C = effect outside the',
    'database, D = the caller waits for a signed checkpoint. Retention: which rule the body falls under; the',
    'leaf hash stays for the life of the ledger.',
  ].join('\n')}\n`;
}
