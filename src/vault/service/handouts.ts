// What the key service itself writes into the ledger about its answers: how many keys each event opened,
// which openings were refused, and which wraps went to another custodian. The reads themselves are
// recorded before by whoever reads; these leaves are what that is reconciled with, so they are summed
// and written once a second. Source: docs/architecture.md §3 "Keys handed out", §4 "Also recorded".
import { PostsealError } from '../../kernel/errors.ts';
import { systemActor, type EventDraft } from '../../ledger/event/draft.ts';
import type { EventSealer } from '../../ledger/event/event-sealer.ts';
import { withEvents } from '../../ledger/event/inbox.store.ts';
import type { Database } from '../../platform/postgres/database.ts';
import type { OpenGrant } from '../keys/types.ts';

export interface Handouts {
  opened(grant: OpenGrant, keys: number): void;
  refused(grant: OpenGrant, reason: string): void;
  rewrapped(from: string, to: string, keys: number): void;
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

/** Rows of one event, so that it stays well below 16 KiB. */
const rowsPerEvent = 100;
/** Beyond this many unwritten rows no key is opened: what cannot be recorded does not happen. */
const unwrittenMax = 50_000;

type Kind = 'opened' | 'refused' | 'rewrapped';

export function createHandouts(deps: HandoutDeps): Handouts {
  /** Row (a text of ids) -> count, by kind. */
  const sums: Record<Kind, Map<string, number>> = {
    opened: new Map(),
    refused: new Map(),
    rewrapped: new Map(),
  };
  let writing: Promise<void> = Promise.resolve();
  let unwritten = 0;

  const add = (kind: Kind, row: string, count: number): void => {
    const before = sums[kind].get(row);
    if (before === undefined) unwritten += 1;
    sums[kind].set(row, (before ?? 0) + count);
  };

  const write = async (): Promise<void> => {
    const taken = (['opened', 'refused', 'rewrapped'] as const).flatMap((kind) => {
      const rows = [...sums[kind]];
      sums[kind].clear();
      return rows.map(([row, count]) => ({ kind, row, count }));
    });
    unwritten -= taken.length;
    if (taken.length === 0) return;
    try {
      await withEvents(deps.database, deps.sealer, draftsOf(taken), () => Promise.resolve());
    } catch (error) {
      for (const { kind, row, count } of taken) add(kind, row, count);
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
    opened: (grant, keys) => {
      for (const event of grant.events) add('opened', event, keys);
    },
    refused: (grant, reason) => {
      add('refused', [reason, grant.purpose, grant.session].join(' '), 1);
    },
    rewrapped: (from, to, keys) => {
      add('rewrapped', `${from} ${to}`, keys);
    },
    checkRoom: () => {
      if (unwritten > unwrittenMax) {
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

interface Row {
  readonly kind: Kind;
  readonly row: string;
  readonly count: number;
}

function draftsOf(rows: readonly Row[]): EventDraft[] {
  const drafts: EventDraft[] = [];
  for (const kind of ['opened', 'refused', 'rewrapped'] as const) {
    const list = rows.filter((row) => row.kind === kind);
    for (let i = 0; i < list.length; i += rowsPerEvent) {
      drafts.push(draftOf(kind, list.slice(i, i + rowsPerEvent)));
    }
  }
  return drafts;
}

function draftOf(kind: Kind, rows: readonly Row[]): EventDraft {
  const total = rows.reduce((sum, { count }) => sum + count, 0);
  return {
    op: kind === 'refused' ? 'key.refused' : 'key.opened',
    outcome: kind === 'refused' ? 'denied' : 'success',
    actor: systemActor,
    objects: [],
    // Rows: [event, keys], [reason purpose session, times], [custodian custodian, keys].
    fields: { kind, total, rows: rows.map(({ row, count }) => [row, count]) },
  };
}
