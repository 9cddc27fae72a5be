// Whether the keys that were opened are those that their events allow. The key service has checked operation,
// session, custodian and count when it opened them (src/vault/service/open-gate.ts), each with what it knew at that
// moment; here all of it is looked at again, and what it has no time for: what the keys opened.
import type { EventId } from '../../kernel/ids.ts';
import { readEvents } from '../../ledger/event/inbox.store.ts';
import type { Queryable } from '../../platform/postgres/statement.ts';
import { grantRules, opensPerEvent } from '../../vault/keys/grant-rules.ts';
import type { GrantPurpose, WrapPurpose } from '../../vault/keys/types.ts';
import { type GrantedEvent, parseGrantedEvent } from '../../vault/service/granted-event.ts';
import type { Finding, FindingReason } from './finding.ts';
import {
  erasedSince,
  type HandedOut,
  isContentKind,
  notAskedFor,
  stillKnown,
} from './handout-list.store.ts';

/** The part of an event that says what it is about. */
interface Scope {
  readonly event: GrantedEvent;
  readonly mailbox: string | undefined;
  readonly uids: readonly (readonly [number, number])[] | undefined;
  /** Messages that it is about; undefined where it does not count them. */
  readonly messages: number | undefined;
}

/** Findings of rows of the kind `opened`. */
export async function judgeOpened(
  client: Queryable,
  rows: readonly HandedOut[],
): Promise<Finding[]> {
  const ids = [...new Set(rows.flatMap(({ events }) => events))] as EventId[];
  const bodies = await readEvents(client, ids);
  const scopes = new Map<string, Scope>();
  for (const [id, body] of bodies) {
    const scope = scopeOf(id, body);
    if (scope !== undefined) scopes.set(id, scope);
  }
  const findings: Finding[] = [];
  const sums = new Map<string, { row: HandedOut; keys: number; room: number }>();
  for (const row of rows) {
    const named = row.events.map((id) => scopes.get(id));
    const present = named.filter((scope) => scope !== undefined);
    const complete = present.length === row.events.length && present.length > 0;
    const reason = complete ? await reasonOf(client, row, present) : 'no-event';
    if (reason !== undefined) findings.push(findingOf(row, reason));
    if (!complete) continue;
    const name = `${row.events.join(' ')} ${row.keyKind}`;
    const sum = sums.get(name) ?? { row, keys: 0, room: roomOf(present, row.keyKind) };
    sums.set(name, { ...sum, keys: sum.keys + row.keys });
  }
  for (const { row, keys, room } of sums.values()) {
    if (keys > room) findings.push({ ...findingOf(row, 'count'), keys });
  }
  return findings;
}

export function findingOf(row: HandedOut, reason: FindingReason): Finding {
  const { kind, keyKind, custodian, keys, events } = row;
  return { reason, kind, keyKind, custodian, keys, event: events[0] };
}

function roomOf(scopes: readonly Scope[], keyKind: string): number {
  return scopes.reduce(
    (sum, { messages }) =>
      sum + (messages === undefined ? Infinity : opensPerEvent(messages, keyKind as WrapPurpose)),
    0,
  );
}

async function reasonOf(
  client: Queryable,
  row: HandedOut,
  scopes: readonly Scope[],
): Promise<FindingReason | undefined> {
  const fitting = scopes.filter(({ event }) => allows(row, event));
  if (fitting.length === 0) return 'operation';
  const own = fitting.filter(({ event }) => event.custodians.has(row.custodian));
  if (own.length === 0) return 'custodian';
  const { custodian, keyKind } = row;
  if (!isContentKind(keyKind)) return undefined;
  let left: readonly string[] = [...new Set(row.objects)];
  for (const { mailbox, uids } of own) {
    // An event of maintenance is about a custodian, not about what somebody sees in a mailbox.
    if (mailbox === undefined) return undefined;
    if (left.length > 0) {
      left = await notAskedFor(client, { custodian, keyKind, objects: left, mailbox, uids });
    }
  }
  if (left.length === 0) return undefined;
  // What was erased since then cannot be looked up any more; that something was is in the ledger.
  if ((await stillKnown(client, { custodian, keyKind, objects: left })) > 0) return 'object';
  return (await erasedSince(client, custodian, row.at - clockSlackMs)) > 0 ? undefined : 'object';
}

/** Between the opening and its row. */
const clockSlackMs = 60_000;

function allows({ purpose, keyKind }: HandedOut, event: GrantedEvent): boolean {
  if (!event.succeeded || purpose === undefined || !Object.hasOwn(grantRules, purpose))
    return false;
  return grantRules[purpose as GrantPurpose].some(
    ({ operations, opens }) =>
      operations.includes(event.operation) && opens.includes(keyKind as WrapPurpose),
  );
}

interface Leaf {
  readonly obj?: readonly { readonly t?: unknown; readonly id?: unknown; readonly n?: unknown }[];
  readonly f?: { readonly uids?: unknown; readonly n?: unknown };
}

function scopeOf(id: EventId, body: Buffer): Scope | undefined {
  const event = parseGrantedEvent(id, body);
  if (event === undefined) return undefined;
  const leaf = JSON.parse(body.toString('utf8')) as Leaf;
  const objects = leaf.obj ?? [];
  const mailbox = objects.find(({ t }) => t === 'mbx')?.id;
  const counted = leaf.f?.n ?? objects.find(({ t }) => t === 'cus')?.n;
  return {
    event,
    mailbox: typeof mailbox === 'string' ? mailbox : undefined,
    uids: rangesOf(leaf.f?.uids),
    messages: event.messages ?? (typeof counted === 'number' ? counted : undefined),
  };
}

/** The ranges of a uid set such as `1:3,7`; undefined for anything else. */
function rangesOf(set: unknown): (readonly [number, number])[] | undefined {
  if (typeof set !== 'string' || !/^\d{1,10}(:\d{1,10})?(,\d{1,10}(:\d{1,10})?)*$/.test(set)) {
    return undefined;
  }
  return set.split(',').map((range) => {
    const [from = 0, to = from] = range.split(':').map(Number);
    return [Math.min(from, to), Math.max(from, to)] as const;
  });
}
