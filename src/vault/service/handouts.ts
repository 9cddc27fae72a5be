// What the key service itself writes down about its answers: which keys each event opened, which openings were
// refused, which wraps went to another custodian, what was wrapped and which write keys were given. The reads
// themselves are recorded before by whoever reads; this is what they are compared with, so it is summed and
// written once a second: counts as leaves, and rows of key_handout with the ids of what was opened.
// Source: docs/architecture.md §3 "Keys handed out", §4 "Also recorded".
import { PostsealError } from '../../kernel/errors.ts';
import { systemActor, type EventDraft } from '../../ledger/event/draft.ts';
import type { EventSealer } from '../../ledger/event/event-sealer.ts';
import { withEvents } from '../../ledger/event/inbox.store.ts';
import type { Database } from '../../platform/postgres/database.ts';
import type { OpenGrant, WriteSlot } from '../keys/types.ts';
import { addHandouts, type HandoutRow } from './handout-rows.store.ts';
import { HandoutSums, type Owned } from './handout-sums.ts';

export interface Handouts {
  opened(grant: OpenGrant, slots: readonly Owned[]): void;
  refused(grant: OpenGrant, reason: string): void;
  /** More was asked for than a session (a uuid) or client may have. */
  limited(purpose: string, who: string): void;
  /** Somebody without a certificate that counts wanted in from another machine. */
  stranger(reason: string): void;
  /** A wrap was made anew in the slot `to` of another custodian. */
  rewrapped(from: string, to: Owned): void;
  wrapped(slots: readonly Owned[]): void;
  /** A key that a node writes with was given out. */
  gave(slot: WriteSlot, owner: string): void;
  /** @throws PostsealError `key.unavailable` when so much is unwritten that openings must wait. */
  checkRoom(): void;
  /** Writes what there is; resolves when it is committed or will be tried again. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface HandoutDeps {
  readonly database: Database;
  readonly sealer: EventSealer;
  /** Told when a flush failed; it is tried again. */
  readonly onFailure: (error: unknown) => void;
  readonly intervalMs?: number;
}

/** Octets of the rows of one event, which may have 16 KiB in all; each has its count and brackets beside it. */
const eventTextMax = 12_000;
const rowOverhead = 20;
/** Beyond this many unwritten rows no key is opened: what cannot be recorded does not happen. */
const unwrittenMax = 50_000;
/** The same for ids of opened objects: 64 MB. */
const objectsMax = 1_000_000;

export function createHandouts(deps: HandoutDeps): Handouts {
  const sums = new HandoutSums();
  /** `reason purpose session` -> how often. */
  let refusals = new Map<string, number>();
  let writing: Promise<void> = Promise.resolve();

  const refuse = (row: string): void => {
    refusals.set(row, (refusals.get(row) ?? 0) + 1);
  };
  const write = async (): Promise<void> => {
    if (sums.rows + refusals.size === 0) return;
    const taken = { sums: sums.take(), refusals };
    refusals = new Map();
    try {
      await writeAll(deps, [...taken.sums.values()], [...taken.refusals]);
    } catch (error) {
      sums.putBack(taken.sums);
      for (const [row, times] of taken.refusals)
        refusals.set(row, (refusals.get(row) ?? 0) + times);
      deps.onFailure(error);
    }
  };
  const flush = (): Promise<void> => {
    writing = writing.then(write);
    return writing;
  };
  const timer = setInterval(() => void flush(), deps.intervalMs ?? 1_000);
  timer.unref();

  return {
    opened: (grant, slots) => {
      sums.opened(grant, slots);
    },
    refused: (grant, reason) => {
      refuse([reason, grant.purpose, grant.session].join(' '));
    },
    limited: (purpose, who) => {
      refuse(['limit', purpose, who].join(' '));
    },
    stranger: (reason) => {
      refuse(['stranger', 'tls', reason].join(' '));
    },
    rewrapped: (from, to) => {
      sums.moved(from, to);
    },
    wrapped: (slots) => {
      for (const { custodian, purpose } of slots) sums.counted('wrapped', custodian, purpose);
    },
    gave: (slot, owner) => {
      sums.counted('write', owner, slot);
    },
    checkRoom: () => {
      if (sums.rows + refusals.size > unwrittenMax || sums.objects > objectsMax) {
        throw new PostsealError('key.unavailable', { reason: 'ledger' });
      }
    },
    flush,
    close: () => {
      clearInterval(timer);
      return flush();
    },
  };
}

/** One transaction: the leaves, and the rows that they count. */
async function writeAll(
  { database, sealer }: HandoutDeps,
  handouts: readonly HandoutRow[],
  refusals: readonly [string, number][],
): Promise<void> {
  const { drafts, rows } = nameRows(handouts);
  await withEvents(
    database,
    sealer,
    [...drafts, ...refusalDrafts(refusals)],
    async (client, events) => {
      if (rows.length === 0) return;
      const named = rows.map(({ row, draft }) => ({ ...row, recordedBy: events[draft]?.id ?? '' }));
      await addHandouts(client, named);
    },
  );
}

interface NamedRow {
  readonly row: HandoutRow;
  /** Place of the draft that counts it. */
  readonly draft: number;
}

/** How a row stands in its leaf. Never an id of an object: a leaf is for ever (docs/formats/ledger.md). */
const leafRows: Readonly<Record<HandoutRow['kind'], (row: HandoutRow) => string>> = {
  opened: ({ events }) => events.join(' '),
  moved: ({ from, custodian }) => `${from ?? ''} ${custodian}`,
  wrapped: ({ custodian, keyKind }) => `${custodian} ${keyKind}`,
  write: ({ custodian, keyKind }) => `${custodian} ${keyKind}`,
};
/** `f.kind` of the leaf. */
const leafKinds = {
  opened: 'opened',
  moved: 'rewrapped',
  wrapped: 'wrapped',
  write: 'write',
} as const;

function nameRows(all: readonly HandoutRow[]): { drafts: EventDraft[]; rows: NamedRow[] } {
  const drafts: EventDraft[] = [];
  const rows: NamedRow[] = [];
  for (const kind of ['opened', 'moved', 'wrapped', 'write'] as const) {
    const list = all
      .filter((row) => row.kind === kind)
      .map((row): [HandoutRow, string] => [row, leafRows[kind](row)]);
    for (const part of parts(list, ([, text]) => text.length)) {
      rows.push(...part.map(([row]) => ({ row, draft: drafts.length })));
      const op = kind === 'wrapped' ? 'key.wrapped' : 'key.opened';
      drafts.push(
        draftOf(
          op,
          leafKinds[kind],
          part.map(([row, text]) => [text, row.keys]),
        ),
      );
    }
  }
  return { drafts, rows };
}

function refusalDrafts(all: readonly [string, number][]): EventDraft[] {
  return parts(all, ([row]) => row.length).map((part) => draftOf('key.refused', 'refused', part));
}

/** Cuts a list so that the rows of each part fit into one event. */
function parts<T>(list: readonly T[], lengthOf: (item: T) => number): T[][] {
  const out: T[][] = [];
  let left = 0;
  for (const item of list) {
    const length = lengthOf(item) + rowOverhead;
    const last = out.at(-1);
    if (last === undefined || length > left) {
      out.push([item]);
      left = eventTextMax - length;
    } else {
      last.push(item);
      left -= length;
    }
  }
  return out;
}

function draftOf(
  op: 'key.opened' | 'key.wrapped' | 'key.refused',
  kind: string,
  rows: readonly (readonly [string, number])[],
): EventDraft {
  return {
    op,
    outcome: op === 'key.refused' ? 'denied' : 'success',
    actor: systemActor,
    objects: [],
    // Rows: [events, keys], [custodian custodian, keys], [custodian kind, keys], [reason purpose session, times].
    fields: {
      kind,
      total: rows.reduce((sum, [, count]) => sum + count, 0),
      rows: rows.map((row) => [...row]),
    },
  };
}
