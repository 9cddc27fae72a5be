// What the key service reads out of a committed event: docs/formats/leaf.md. Nothing is taken from the
// node that asks; it only names the event.
import type { EventId } from '../../kernel/ids.ts';
import { isEventName, type EventName } from '../../ledger/event/registry.ts';

export interface GrantedEvent {
  readonly id: EventId;
  readonly operation: EventName;
  readonly succeeded: boolean;
  /** Unix milliseconds of the event. */
  readonly at: number;
  /** The actor's session, and for a sign-in the session that it began. */
  readonly sessions: ReadonlySet<string>;
  readonly custodians: ReadonlySet<string>;
  /** How many messages the event names; undefined where it does not count them. */
  readonly messages: number | undefined;
}

interface Leaf {
  readonly op?: unknown;
  readonly out?: unknown;
  readonly ts?: unknown;
  readonly act?: { readonly session?: unknown };
  readonly obj?: readonly { readonly t?: unknown; readonly id?: unknown }[];
  readonly f?: { readonly uids?: unknown };
}

/** Undefined for an operation that this version does not know: it opens nothing. */
export function parseGrantedEvent(id: EventId, body: Buffer): GrantedEvent | undefined {
  const leaf = JSON.parse(body.toString('utf8')) as Leaf;
  if (typeof leaf.op !== 'string' || !isEventName(leaf.op)) return undefined;
  const sessions = new Set<string>();
  if (typeof leaf.act?.session === 'string') sessions.add(leaf.act.session);
  const custodians = new Set<string>();
  for (const { t, id: object } of leaf.obj ?? []) {
    if (typeof object !== 'string') continue;
    if (t === 'cus') custodians.add(object);
    if (t === 'ses' && leaf.op === 'session.signed-in') sessions.add(object);
  }
  return {
    id,
    operation: leaf.op,
    succeeded: leaf.out === 'success',
    at: typeof leaf.ts === 'string' ? Date.parse(leaf.ts) : Number.NaN,
    sessions,
    custodians,
    messages: countUids(leaf.f?.uids),
  };
}

/** Messages in a uid set such as `1:3,7`; undefined for anything else, such as `*`. */
export function countUids(set: unknown): number | undefined {
  if (typeof set !== 'string') return undefined;
  let count = 0;
  for (const range of set.split(',')) {
    const match = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(range);
    if (match === null) return undefined;
    const from = Number(match[1]);
    const to = Number(match[2] ?? match[1]);
    count += Math.abs(to - from) + 1;
  }
  return count;
}
