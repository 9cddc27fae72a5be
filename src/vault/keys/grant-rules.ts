// Which ledger events open which keys, as data: the key service asks nobody else. A grant purpose names
// the operations that may stand behind it and the kinds of keys that they open.
// Source of truth: docs/architecture.md §3 "Key service", §4 "Reads".
import type { EventName } from '../../ledger/event/registry.ts';
import { messagePartsMax } from '../../kernel/limits.ts';
import type { GrantPurpose, WrapPurpose } from './types.ts';

export interface GrantRule {
  readonly operations: readonly EventName[];
  readonly opens: readonly WrapPurpose[];
}

const content = ['dek', 'part', 'cell', 'page'] as const;
const reading = ['read.granted', 'metadata.read'] as const;

export const grantRules: Readonly<Record<GrantPurpose, readonly GrantRule[]>> = {
  // A header that is not among the usual fields lies in the body, so `metadata.read` opens both.
  'owner-read': [{ operations: reading, opens: content }],
  'owner-search': [{ operations: ['search.run'], opens: [...content, 'segment'] }],
  // An administrator's import puts mail into the owner's folders by their names.
  'sign-in': [{ operations: ['session.signed-in', 'import.started'], opens: ['names'] }],
  dpo: [
    { operations: reading, opens: content },
    { operations: ['search.run'], opens: [...content, 'segment'] },
    { operations: ['ledger.queried'], opens: ['side-record'] },
  ],
  case: [
    { operations: reading, opens: content },
    { operations: ['search.run'], opens: [...content, 'segment'] },
  ],
  verify: [{ operations: ['ledger.queried', 'ledger.verified'], opens: ['side-record'] }],
  maintenance: [
    { operations: ['key.opened'], opens: [...content, 'segment', 'names', 'side-record'] },
  ],
};

/** How long an event opens keys, from its own time. */
export const grantAgeMsMax = 10 * 60_000;
/** How far an event may lie ahead of the service's clock. */
export const grantAheadMsMax = 60_000;
/** Openings of one purpose that an event over `n` messages serves: each twice, and a few. A message has many parts. */
export const opensPerEvent = (n: number, purpose: WrapPurpose): number =>
  2 * n * (purpose === 'part' ? messagePartsMax : 1) + 16;
