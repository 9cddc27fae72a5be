// Which objects the events of one inbox row name, as its columns `objects` and `object_events` say it:
// written by whoever inserts the row, compared with the leaves by the sequencer and by `ledger verify`.
// Source of truth: docs/formats/ledger.md "Inbox". Pure.
import { type LeafProjection, namesOf } from './leaf-projection.ts';

export interface InboxNames {
  readonly objects: readonly string[];
  /** For each object the number, from 1, of the event that names it. */
  readonly events: readonly number[];
}

/** `names`: the uuids that each event of the row names, event by event. */
export function inboxNames(names: readonly (readonly string[])[]): InboxNames {
  return {
    objects: names.flat(),
    events: names.flatMap((ids, i) => ids.map(() => i + 1)),
  };
}

/** Column `names` of a statement that reads inbox rows event by event: null but at the first event. */
export interface InboxEvent {
  readonly names: string | null;
}

/** What `namesSql` of inbox.store.ts gives for a row that says the truth about its events. */
export function truthfulNames(leaves: readonly LeafProjection[]): string {
  const { objects, events } = inboxNames(leaves.map(namesOf));
  return `${objects.join(' ')}|${events.join(' ')}`;
}

/** Puts events that were read in order back together into their inbox rows: half-open ranges. */
export function* inboxRows(events: readonly InboxEvent[]): Generator<readonly [number, number]> {
  for (let from = 0; from < events.length;) {
    let to = from + 1;
    while (to < events.length && events[to]?.names === null) to += 1;
    yield [from, to];
    from = to;
  }
}
