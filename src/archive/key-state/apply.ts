// Applies a key state to a database that was restored from any data backup, older or younger than the state
// (docs/formats/key-state.md "Applying"). Keys first, then the wraps below them; each batch is a transaction with
// its events, and applied twice it changes nothing, so after a crash it is simply done again. No key is opened.
import { PostsealError } from '../../kernel/errors.ts';
import type { CustodianId, OrganisationId, RecordId, RecordNo } from '../../kernel/ids.ts';
import { type EventDraft, systemActor } from '../../ledger/event/draft.ts';
import type { EventSealer } from '../../ledger/event/event-sealer.ts';
import { withEvents } from '../../ledger/event/inbox.store.ts';
import type { Queryable } from '../../platform/postgres/statement.ts';
import type { Database } from '../../platform/postgres/database.ts';
import type { KeyStateRecord, RecordKind } from '../../vault/formats/key-state-records.ts';
import type { RecordRef } from '../types.ts';
import { type KeyKind, putKeys } from './put-keys.store.ts';
import { dropLeftPages, putCells, putContentWraps, putPage } from './put-wraps.store.ts';
import { custodiansWithEndedGroups, erasedRecords } from './applied-rows.store.ts';
import { custodiansWithErased, silenceErased } from './silence-erased.store.ts';

export interface ApplyDeps {
  readonly database: Database;
  readonly organisation: OrganisationId;
  readonly sealer: EventSealer;
}

export interface AppliedState {
  /** Rows that the state has put in or changed, by kind of record. */
  readonly changed: Readonly<Partial<Record<RecordKind, number>>>;
  /**
   * Records that the database has and that were erased before the state was taken: shred them again before the
   * archive is opened.
   */
  readonly erased: readonly RecordRef[];
}

/** Opens the rows of one file; asked for once. */
export type StateSource = () => AsyncIterable<KeyStateRecord>;

const rowsPerEvent = 50;
const eventsPerBatch = 16;
const custodiansPerEvent = 100;

type KeyRecord = Extract<KeyStateRecord, { kind: KeyKind }>;
type WrapRecord = Exclude<KeyStateRecord, { kind: KeyKind | 'state' }>;

/**
 * `states`: the newest changes, if there are any, before the full state that they belong to. Nothing may use the
 * database meanwhile. @throws IntegrityError from a file that does not open, with what was applied left applied.
 */
export async function applyKeyState(
  deps: ApplyDeps,
  states: readonly StateSource[],
): Promise<AppliedState> {
  const changed: Partial<Record<RecordKind, number>> = {};
  for (const state of states) {
    for await (const batch of batchesOf(state())) {
      const rows = await putBatch(deps, batch);
      const { kind } = batch;
      changed[kind] = (changed[kind] ?? 0) + rows;
    }
  }
  await dropDeadPages(deps);
  await silence(deps);
  const erased = await erasedRecords(deps.database.pool);
  return {
    changed,
    erased: erased.map(({ custodian, record, number }) => ({
      custodian: custodian as CustodianId,
      recordId: record as RecordId,
      recordNo: number as RecordNo,
    })),
  };
}

async function dropDeadPages({ database, sealer }: ApplyDeps): Promise<void> {
  for (let after: string | undefined = ''; after !== undefined;) {
    const custodians = await custodiansWithEndedGroups(database.pool, after, custodiansPerEvent);
    if (custodians.length === 0) return;
    const drafts = [applied('page', custodians)];
    await withEvents(database, sealer, drafts, (client) => dropLeftPages(client, custodians));
    after = custodians.length < custodiansPerEvent ? undefined : custodians.at(-1);
  }
}

async function silence({ database, sealer }: ApplyDeps): Promise<void> {
  const custodians = await custodiansWithErased(database.pool);
  for (let at = 0; at < custodians.length; at += custodiansPerEvent) {
    const part = custodians.slice(at, at + custodiansPerEvent);
    await withEvents(database, sealer, [applied('erased', part)], async (client, [event]) => {
      if (event === undefined) throw new PostsealError('internal');
      await silenceErased(client, part, event.id);
    });
  }
}

interface Batch {
  readonly kind: Exclude<RecordKind, 'state'>;
  readonly parts: readonly (readonly (KeyRecord | WrapRecord)[])[];
}

/** Rows of one kind, as many as one transaction takes, in parts of one event each. */
async function* batchesOf(records: AsyncIterable<KeyStateRecord>): AsyncGenerator<Batch> {
  let parts: (KeyRecord | WrapRecord)[][] = [];
  let kind: Batch['kind'] | undefined;
  for await (const record of records) {
    if (record.kind === 'state') continue;
    const last = parts.at(-1);
    const isFull = parts.length === eventsPerBatch && last?.length === rowsPerEvent;
    if (kind !== undefined && (record.kind !== kind || isFull)) {
      yield { kind, parts };
      parts = [];
    }
    kind = record.kind;
    const part = parts.at(-1);
    if (part === undefined || part.length === rowsPerEvent) parts.push([record]);
    else part.push(record);
  }
  if (kind !== undefined && parts.length > 0) yield { kind, parts };
}

function putBatch(deps: ApplyDeps, { kind, parts }: Batch): Promise<number> {
  const drafts = parts.map((part) => draftOf(deps, kind, part));
  return withEvents(deps.database, deps.sealer, drafts, async (client, events) => {
    let changed = 0;
    for (const [i, part] of parts.entries()) {
      const event = events[i]?.id;
      if (event === undefined) throw new PostsealError('internal');
      changed += await putPart(deps, client, kind, part, event);
    }
    return changed;
  });
}

async function putPart(
  { organisation }: ApplyDeps,
  client: Queryable,
  kind: Batch['kind'],
  part: readonly (KeyRecord | WrapRecord)[],
  event: string,
): Promise<number> {
  const rowsOf = <K extends RecordKind>(wanted: K) =>
    part.flatMap((record) => (record.kind === wanted ? [record.row] : [])) as Extract<
      KeyStateRecord,
      { kind: K }
    >['row'][];
  if (kind === 'contentWrap') return putContentWraps(client, rowsOf(kind), event);
  if (kind === 'cell') return putCells(client, rowsOf(kind));
  if (kind === 'page') {
    let changed = 0;
    for (const page of rowsOf(kind)) changed += (await putPage(client, page)) ? 1 : 0;
    return changed;
  }
  return putKeys(client, organisation, kind, rowsOf(kind), event);
}

/** Names what the guards of these tables ask for (migration 0009). */
function draftOf(
  { organisation }: ApplyDeps,
  kind: Batch['kind'],
  part: readonly (KeyRecord | WrapRecord)[],
): EventDraft {
  const custodians = new Set<string>();
  const keys = new Set<string>();
  const records = new Set<string>();
  for (const { row, kind: own } of part) {
    if ('custodian' in row) custodians.add(row.custodian);
    if ('keyId' in row) keys.add(row.keyId);
    if (own === 'erased') records.add(row.record);
  }
  const draft = applied(kind, [...custodians]);
  return {
    ...draft,
    objects: [
      { t: 'org', id: organisation },
      ...draft.objects,
      ...[...keys].map((id) => ({ t: 'key', id }) as const),
      ...[...records].map((id) => ({ t: 'rec', id }) as const),
    ],
  };
}

function applied(kind: RecordKind, custodians: readonly string[]): EventDraft {
  return {
    op: 'key.state-applied',
    outcome: 'success',
    actor: systemActor,
    objects: custodians.map((id) => ({ t: 'cus', id }) as const),
    fields: { kind },
  };
}
