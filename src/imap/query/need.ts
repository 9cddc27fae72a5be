// What a search may have to open at most, known before it starts: the ledger names it, and a search that
// opens nothing is not a read.
import { usualFields } from '../../mime/usual-fields.ts';
import type { SearchKey } from '../wire/search-key.ts';

/** Flags and numbers only; size and dates of the store; the metadata cell; the original. */
export type SearchNeed = 'none' | 'facts' | 'metadata' | 'body';

const order: readonly SearchNeed[] = ['none', 'facts', 'metadata', 'body'];

/** The deepest data that any part of the key may need. */
export function searchNeed(key: SearchKey): SearchNeed {
  switch (key.kind) {
    case 'all':
    case 'set':
    case 'flag':
    case 'recent':
    case 'modseq':
      return 'none';
    case 'size':
    case 'internaldate':
    case 'within':
      return 'facts';
    case 'sentdate':
      return 'metadata';
    case 'header':
      return usualFields.has(key.field.toLowerCase()) ? 'metadata' : 'body';
    case 'body':
    case 'text':
      return key.value === '' ? 'none' : 'body';
    case 'not':
      return searchNeed(key.key);
    case 'or':
      return deepest([searchNeed(key.left), searchNeed(key.right)]);
    case 'and':
      return deepest(key.keys.map(searchNeed));
  }
}

const deepest = (needs: readonly SearchNeed[]): SearchNeed =>
  order[Math.max(0, ...needs.map((need) => order.indexOf(need)))] ?? 'none';
