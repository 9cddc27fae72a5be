// One term of leadership: the connection that holds the lock, the head it may move, the publisher of
// its tiles, and the steps that the loop of sequencer.ts repeats. docs/formats/ledger.md "Sequencer".
import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { Clock } from '../../kernel/time.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { noteKeyId } from '../checkpoint/signed-note.ts';
import { type EventDraft, type SealedEvent, systemActor } from '../event/draft.ts';
import type { EventSealer } from '../event/event-sealer.ts';
import type { CheckpointSigner } from '../signer/signer.ts';
import type { TileFiles } from '../tiles/tile-files.ts';
import { openPublisher, type Publisher } from './publisher.ts';
import {
  ensurePartition,
  eventsWait,
  type Head,
  readGuards,
  sequenceBatch,
  takeLead,
} from './sequencer.store.ts';

export interface SequencerOptions {
  /** Events in one transaction. */
  readonly batchEvents: number;
  /**
   * Pause between two batches unless the last one was full or a hint came: a batch costs the same six round
   * trips for ten events as for a thousand.
   */
  readonly pollMs: number;
  readonly checkpointMs: number;
  readonly heartbeatMs: number;
  readonly anchorMs: number;
  readonly historyMs: number;
  /** Pause before leadership is tried again. */
  readonly retryMs: number;
}

export interface LeadDeps {
  readonly database: Pick<Database, 'connect'>;
  readonly files: TileFiles;
  /** First line of every checkpoint; that of an existing log wins (audit_head). */
  readonly origin: string;
  /** The sequencer's own and nobody else's: heartbeats, anchors and the first leaf. */
  readonly sealer: EventSealer;
  readonly signer: CheckpointSigner;
  readonly clock: Clock;
}

export interface Lead {
  readonly client: pg.Client;
  readonly publisher: Publisher;
  head: Head;
  partitionsUpTo: number;
  /** Own events that go in front of the next batch. */
  own: EventDraft[];
  lastLeafAt: number;
  lastAnchorAt: number;
  /** Age of the oldest event of the last batch when it was taken, in milliseconds. */
  lagMs: number;
}

/** Numbers left in the last partition when the next one is made. */
const partitionMargin = 131_072;

/** Takes the lead, or answers `undefined` while another process has it. */
export async function becomeLeader(
  deps: LeadDeps,
  options: SequencerOptions,
): Promise<Lead | undefined> {
  const client = await deps.database.connect('sequencer');
  try {
    const head = await takeLead(client, deps.origin);
    if (head === undefined) {
      await client.end();
      return undefined;
    }
    const publisher = await openPublisher(client, head, { ...deps, historyMs: options.historyMs });
    const partitionsUpTo = await ensurePartition(client, head.size);
    const { spki } = await deps.signer.head();
    const fields = { origin: head.origin, hash: 'sha-256', key: noteKeyId(spki).toString('hex') };
    const origin: EventDraft = {
      op: 'log.origin',
      outcome: 'success',
      actor: systemActor,
      objects: [],
      fields,
    };
    const now = deps.clock.now();
    return {
      client,
      publisher,
      head,
      partitionsUpTo,
      own: head.size === 0 ? [origin] : [],
      lastLeafAt: now,
      lastAnchorAt: 0,
      lagMs: 0,
    };
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

/** Heartbeats and anchors that are due. */
export function plan(lead: Lead, deps: LeadDeps, options: SequencerOptions): void {
  const now = deps.clock.now();
  if (lead.own.length > 0) return;
  if (now - lead.lastLeafAt >= options.heartbeatMs)
    lead.own.push(ownDraft('log.heartbeat', { size: lead.head.size }));
  if (now - lead.lastAnchorAt >= options.anchorMs) lead.own.push(ownDraft('log.anchor', {}));
}

function ownDraft(
  op: 'log.heartbeat' | 'log.anchor',
  fields: Record<string, string | number>,
): EventDraft {
  return { op, outcome: 'success', actor: systemActor, objects: [], fields };
}

/** One batch, if there is anything for one. How many events it took from the inbox. */
export async function step(lead: Lead, deps: LeadDeps, options: SequencerOptions): Promise<number> {
  if (lead.own.length === 0 && !(await eventsWait(lead.client))) return 0;
  if (lead.partitionsUpTo - lead.head.size < partitionMargin + options.batchEvents) {
    lead.partitionsUpTo = await ensurePartition(lead.client, lead.partitionsUpTo);
  }
  const drafts = await Promise.all(lead.own.map((draft) => completeAnchor(draft, lead, deps)));
  const first: SealedEvent[] = drafts.map((draft) => deps.sealer.seal(draft));
  if (first.length > 0) first.push(...deps.sealer.takeVoids());
  try {
    const batch = await sequenceBatch(lead.client, lead.head, {
      first,
      limit: options.batchEvents,
    });
    lead.head = batch.head;
    lead.publisher.append(batch.leaves);
    lead.lagMs = batch.ageMs;
    lead.lastLeafAt = deps.clock.now();
    if (drafts.some((draft) => draft.op === 'log.anchor')) lead.lastAnchorAt = lead.lastLeafAt;
    lead.own = [];
    return batch.taken;
  } catch (error) {
    for (const event of first) deps.sealer.void(event.q);
    throw error;
  }
}

/** An anchor names the chain head, the signing key and a digest of the database's guards. */
async function completeAnchor(draft: EventDraft, lead: Lead, deps: LeadDeps): Promise<EventDraft> {
  if (draft.op !== 'log.anchor') return draft;
  const { spki } = await deps.signer.head();
  const guards = createHash('sha256')
    .update(await readGuards(lead.client))
    .digest('hex');
  const chain = lead.head.chain.toString('hex');
  const key = createHash('sha256').update(spki).digest('hex');
  return { ...draft, fields: { size: lead.head.size, chain, key, guards } };
}
