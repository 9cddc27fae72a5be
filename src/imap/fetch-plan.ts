// What a FETCH needs before its first octet: which items, whether keys are opened and under which
// event, and whether it marks messages as seen (RFC 9051 §6.4.5, docs/architecture.md §4 "Reads").
import { itemNeed, type ItemNeed } from './items/index.ts';
import type { ReadPurpose } from './read-grant.ts';
import type { FetchItem } from './wire/fetch-item.ts';

export interface FetchPlan {
  readonly items: readonly FetchItem[];
  readonly need: ItemNeed;
  /** Header lines and structure are opened. */
  readonly needsMetadata: boolean;
  /** INTERNALDATE, size or record are asked of the store. */
  readonly needsFacts: boolean;
  /** Flags or modseq are told, or decide what is marked. */
  readonly needsFlags: boolean;
  /** Null: nothing is opened. */
  readonly purpose: ReadPurpose | null;
  /** `BODY[…]` and its like without PEEK: `\Seen` is set (RFC 9051 §6.4.5). */
  readonly marksSeen: boolean;
}

const needOrder: readonly ItemNeed[] = ['none', 'metadata', 'octets', 'body'];

export function planFetch(items: readonly FetchItem[]): FetchPlan {
  const needs = items.map(itemNeed);
  const need = needs.reduce(
    (a, b) => (needOrder.indexOf(a) >= needOrder.indexOf(b) ? a : b),
    'none',
  );
  const content = items.some(readsContent);
  const marksSeen = items.some((i) => (i.kind === 'section' || i.kind === 'binary') && !i.peek);
  return {
    items,
    need,
    needsMetadata: needs.some((one) => one === 'metadata' || one === 'body'),
    needsFacts:
      need !== 'none' || items.some((i) => i.kind === 'internaldate' || i.kind === 'rfc822.size'),
    needsFlags: marksSeen || items.some((i) => i.kind === 'flags' || i.kind === 'modseq'),
    purpose:
      need === 'none'
        ? null
        : {
            operation: content ? 'read.granted' : 'metadata.read',
            items: [...new Set(items.filter((i) => itemNeed(i) !== 'none').map(codeOf))].slice(
              0,
              40,
            ),
          },
    marksSeen,
  };
}

/** True for what is more than headers and structure. */
function readsContent(item: FetchItem): boolean {
  if (item.kind === 'binary' || item.kind === 'binary.size') return true;
  return item.kind === 'section' && ['all', 'text'].includes(item.section.text);
}

/** A short code for the ledger; header names are a client's choice and stay out. */
function codeOf(item: FetchItem): string {
  switch (item.kind) {
    case 'section': {
      const part = item.section.part.join('.');
      return `body[${[part, item.section.text].filter((x) => x !== '').join('.')}]`;
    }
    case 'binary':
    case 'binary.size':
      return `${item.kind}[${item.part.join('.')}]`;
    case 'bodystructure':
    case 'envelope':
    case 'flags':
    case 'internaldate':
    case 'modseq':
    case 'rfc822.size':
    case 'uid':
      return item.kind;
  }
}
