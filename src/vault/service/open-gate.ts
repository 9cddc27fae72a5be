// Decides whether a grant opens keys. The service reads the named events from PostgreSQL itself, all of
// a batch in one query, and checks operation, session, custodians, age and how much was opened already.
// An invented, foreign or used-up event gets no key (docs/architecture.md §3).
import type { EventId } from '../../kernel/ids.ts';
import { PostsealError } from '../../kernel/errors.ts';
import { readEvents } from '../../ledger/event/inbox.store.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { grantAgeMsMax, grantAheadMsMax, grantRules, opensPerEvent } from '../keys/grant-rules.ts';
import type { KeySlot, OpenGrant, WrapPurpose } from '../keys/types.ts';
import { parseGrantedEvent, type GrantedEvent } from './granted-event.ts';

export interface OpenRequest {
  readonly grant: OpenGrant;
  readonly slots: readonly KeySlot[];
}

export type RefusalReason =
  'missing' | 'operation' | 'session' | 'custodian' | 'expired' | 'used-up';

export interface OpenGate {
  /** One answer a request: undefined, or why no key is opened. Throws only if PostgreSQL does. */
  check(requests: readonly OpenRequest[]): Promise<(RefusalReason | undefined)[]>;
}

export interface OpenGateDeps {
  readonly database: Database;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** Events remembered: their bodies never change, and a large read opens in many batches. */
const eventsMax = 4_096;

interface Remembered {
  readonly event: GrantedEvent;
  readonly opened: Map<WrapPurpose, number>;
}

export function createOpenGate(deps: OpenGateDeps): OpenGate {
  const known = new Map<EventId, Remembered>();

  const load = async (requests: readonly OpenRequest[]): Promise<void> => {
    const wanted = new Set(requests.flatMap(({ grant }) => grant.events));
    const missing = [...wanted].filter((id) => !known.has(id));
    if (missing.length === 0) return;
    for (const [id, body] of await readEvents(deps.database.pool, missing)) {
      const event = parseGrantedEvent(id, body);
      if (event !== undefined && !known.has(id)) known.set(id, { event, opened: new Map() });
    }
    // The oldest went in first. One that is still in use is read again, with its count begun anew.
    for (const id of known.keys()) {
      if (known.size <= eventsMax || wanted.has(id)) break;
      known.delete(id);
    }
  };

  return {
    check: async (requests) => {
      await load(requests);
      const now = deps.now();
      return requests.map(({ grant, slots }) => {
        const events = grant.events.map((id) => known.get(id));
        if (events.length === 0) return 'missing';
        const present = events.filter((entry) => entry !== undefined);
        if (present.length < events.length) return 'missing';
        return decide(grant, slots, present, now) ?? charge(slots, present, grant);
      });
    },
  };
}

/** The error of a refused opening. */
export function refusal(reason: RefusalReason, grant: OpenGrant): PostsealError {
  return new PostsealError('key.refused', { reason, purpose: grant.purpose });
}

function decide(
  grant: OpenGrant,
  slots: readonly KeySlot[],
  entries: readonly Remembered[],
  now: number,
): RefusalReason | undefined {
  for (const { event } of entries) {
    if (!event.succeeded || rulesFor(grant, event).length === 0) return 'operation';
    if (!event.sessions.has(grant.session)) return 'session';
    // A time that is no number fails both comparisons' negations, so it is refused as well.
    if (!(now - event.at <= grantAgeMsMax && event.at - now <= grantAheadMsMax)) return 'expired';
  }
  for (const slot of slots) {
    const fitting = entries.filter(({ event }) => opens(grant, event, slot.purpose));
    if (fitting.length === 0) return 'operation';
    if (!fitting.some(({ event }) => event.custodians.has(slot.custodian))) return 'custodian';
  }
  return undefined;
}

function rulesFor(grant: OpenGrant, event: GrantedEvent) {
  return grantRules[grant.purpose].filter((rule) => rule.operations.includes(event.operation));
}

function opens(grant: OpenGrant, event: GrantedEvent, purpose: WrapPurpose): boolean {
  return rulesFor(grant, event).some((rule) => rule.opens.includes(purpose));
}

/** Counts the openings against the events; nothing is counted when they do not suffice. */
function charge(
  slots: readonly KeySlot[],
  entries: readonly Remembered[],
  grant: OpenGrant,
): RefusalReason | undefined {
  const needed = new Map<WrapPurpose, number>();
  for (const { purpose } of slots) needed.set(purpose, (needed.get(purpose) ?? 0) + 1);
  const charges: { entry: Remembered; purpose: WrapPurpose; opened: number }[] = [];
  for (const [purpose, count] of needed) {
    let left = count;
    for (const entry of entries.filter(({ event }) => opens(grant, event, purpose))) {
      const { messages } = entry.event;
      const before = entry.opened.get(purpose) ?? 0;
      const room = messages === undefined ? left : opensPerEvent(messages, purpose) - before;
      const taken = Math.min(left, Math.max(0, room));
      charges.push({ entry, purpose, opened: before + taken });
      left -= taken;
    }
    if (left > 0) return 'used-up';
  }
  for (const { entry, purpose, opened } of charges) entry.opened.set(purpose, opened);
  return undefined;
}
