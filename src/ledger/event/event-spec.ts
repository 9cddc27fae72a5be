// One row of the event registry (registry.ts): what an event means and how long it must stay.
// Classes and rules: docs/formats/leaf.md; docs/reference/events.md is generated from the rows.

/**
 * A: state change, in the same transaction. B: read or sign-in, durable before the answer.
 * C: effect outside PostgreSQL, intent before and result after. D: irrevocable or evidential,
 * the caller waits for a signed checkpoint.
 */
export type EventClass = 'A' | 'B' | 'C' | 'D';
export type EventSeverity = 'info' | 'notice' | 'warning' | 'critical';
/** Floors and ceilings of body pruning; leaf hashes are never pruned. */
export type EventRetention = 'security' | 'personal' | 'archive' | 'ledger';

/**
 * Kinds of object an event names: record, mailbox, account, custodian, content, person, key,
 * session, approval, organisation, ledger, message.
 */
export type ObjectKind =
  'rec' | 'mbx' | 'acc' | 'cus' | 'cnt' | 'per' | 'key' | 'ses' | 'apr' | 'org' | 'log' | 'msg';

export interface EventSpec {
  readonly class: EventClass;
  /** One sentence for the person who reads the ledger. */
  readonly text: string;
  readonly objects: readonly ObjectKind[];
  readonly severity: EventSeverity;
  readonly retentionClass: EventRetention;
}

/** Writes a row in one line. */
export function eventSpec(
  eventClass: EventClass,
  severity: EventSeverity,
  retentionClass: EventRetention,
  objects: readonly ObjectKind[],
  text: string,
): EventSpec {
  return { class: eventClass, text, objects, severity, retentionClass };
}
