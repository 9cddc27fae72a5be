// The one registry of ledger events: one file an area in events/, one line here.
// docs/reference/events.md is generated from it. A name is never reused for another meaning.
import type { EventSpec } from './event-spec.ts';
import { accountEvents } from './events/account.ts';
import { archiveEvents } from './events/archive.ts';
import { ledgerEvents } from './events/ledger.ts';
import { mailEvents } from './events/mail.ts';
import { mailboxEvents } from './events/mailbox.ts';
import { readingEvents } from './events/reading.ts';
import { serverEvents } from './events/server.ts';
import { sessionEvents } from './events/session.ts';

const events = {
  ...mailEvents,
  ...mailboxEvents,
  ...readingEvents,
  ...sessionEvents,
  ...accountEvents,
  ...archiveEvents,
  ...serverEvents,
  ...ledgerEvents,
} as const;

export type EventName = keyof typeof events;
export const eventRegistry: Readonly<Record<EventName, EventSpec>> = events;

/** Every name, sorted. */
export const eventNames: readonly EventName[] = (Object.keys(events) as EventName[]).sort();

/** True if `name` is in the registry of this version. */
export function isEventName(name: string): name is EventName {
  return Object.hasOwn(events, name);
}
