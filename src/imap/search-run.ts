// Runs a SEARCH (RFC 9051 §6.4.4) from the cheap to the costly: what flags and numbers decide, then facts
// of the store, then opened metadata, then whole messages – each stage only for what is still open.
// A search that opens anything is one `search.run` in the ledger, its terms in the side record.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { assert, PostsealError } from '../kernel/errors.ts';
import type { JsonValue } from '../ledger/event/canonical-json.ts';
import { TimeSlice } from '../mailbox/state/time-slice.ts';
import type { MessageFacts } from '../mailbox/types.ts';
import type { OpenGrant } from '../vault/keys/types.ts';
import { MessageList, type ViewMessage } from './message-list.ts';
import { ConnectionClosed } from './output.ts';
import {
  evaluateSearch,
  type SearchedMessage,
  type SearchNeed,
  searchNeed,
  textBytesOf,
} from './query/index.ts';
import { oneAhead } from './read-ahead.ts';
import { largeBytesMin } from './search-pool.ts';
import { Probe } from './search-probe.ts';

import type { Session } from './session.ts';
import type { SearchKey } from './wire/search-key.ts';

/** Messages of one turn of the event loop, of one request for facts, metadata, bodies. */
const turnMessages = 2_000;
const factsMessages = 5_000;
const metadataMessages = 256;
const bodyMessages = 16;
/** The key service takes an event for ten minutes. */
const grantLifeMs = 8 * 60_000;
/** Search terms kept in one side record. */
const termsMax = 50;

interface Candidate {
  readonly message: ViewMessage;
  readonly known: SearchedMessage;
  readonly facts: MessageFacts | undefined;
}

/** Messages that the key finds, ascending. */
export async function runSearch(session: Session, key: SearchKey): Promise<MessageList> {
  const need = searchNeed(key);
  const { uids } = session.mailbox.view.snapshot();
  const found = new Uint8Array(uids.length);
  const open = await sift(session, key, found);
  if (open.length > 0) await searchFacts(session, { key, need, open, found });
  return MessageList.marked(found, uids);
}

/** Decides by numbers and flags; returns what is undecided. */
async function sift(session: Session, key: SearchKey, found: Uint8Array): Promise<Candidate[]> {
  const { view } = session.mailbox;
  const count = view.snapshot().uids.length;
  const probe = new Probe(session);
  const open: Candidate[] = [];
  for (let index = 0; index < count; index += 1) {
    if (index % turnMessages === turnMessages - 1) await nextTurn();
    probe.moveTo(view.snapshot(), index);
    const verdict = evaluateSearch(key, probe);
    if (verdict === true) found[index] = 1;
    if (verdict === undefined) {
      open.push({ message: { index, uid: probe.uid }, known: probe.copy(), facts: undefined });
    }
  }
  return open;
}

interface Stage {
  readonly key: SearchKey;
  readonly need: SearchNeed;
  readonly open: readonly Candidate[];
  readonly found: Uint8Array;
}

async function searchFacts(session: Session, stage: Stage): Promise<void> {
  const undecided: Candidate[] = [];
  for (let at = 0; at < stage.open.length; at += factsMessages) {
    const block = stage.open.slice(at, at + factsMessages);
    const facts = await session.mailbox.view.facts(block.map(({ message }) => message.uid));
    const byUid = new Map(facts.map((fact) => [fact.uid, fact]));
    for (const candidate of block) {
      const fact = byUid.get(candidate.message.uid);
      // A message that went meanwhile is not found.
      if (fact === undefined) continue;
      const { size, internalDate } = fact;
      const known = { ...candidate.known, facts: { size, internalDate } };
      settle({ ...candidate, known, facts: fact }, stage, undecided);
    }
    assertOpen(session);
    await nextTurn();
  }
  if (undecided.length > 0) await searchSealed(session, { ...stage, open: undecided });
}

/** Opens metadata, and whole messages where that does not decide. */
async function searchSealed(session: Session, stage: Stage): Promise<void> {
  const grants = new SearchGrants(session, stage);
  const { archive } = session.deps;
  const blocks = oneAhead(async () => {
    const block = take(metadataMessages);
    if (block.length === 0) return null;
    return { block, opened: await archive.openMetadata(await grants.current(), refsOf(block)) };
  });
  let at = 0;
  function take(count: number): readonly Candidate[] {
    const block = stage.open.slice(at, at + count);
    at += count;
    return block;
  }
  for await (const { block, opened } of blocks) {
    const undecided: Candidate[] = [];
    for (const [place, candidate] of block.entries()) {
      const metadata = usable(opened[place]);
      if (metadata === undefined) continue;
      settle({ ...candidate, known: { ...candidate.known, metadata } }, stage, undecided);
    }
    await searchBodies(session, { ...stage, open: undecided }, grants);
    assertOpen(session);
    await nextTurn();
  }
}

async function searchBodies(session: Session, stage: Stage, grants: SearchGrants): Promise<void> {
  let at = 0;
  const { searched } = session.deps;
  const blocks = oneAhead(async () => {
    const block = await takeUnknown();
    if (block.length === 0) return null;
    const { flushes } = searched;
    const bodies = await session.deps.archive.openBodies(await grants.current(), refsOf(block));
    // Large ones are read one by one below, so that few of them are in memory at a time.
    const small = bodies.map(async (body, place) => {
      if (body instanceof PostsealError || body.size > largeBytesMin) return undefined;
      const bytes = await body.read(0, body.size);
      searched.put(session, recordOf(block[place]), bytes, flushes);
      return bytes;
    });
    return { block, bodies, bytes: await Promise.all(small) };
  });
  /** The next ones that this session has not searched within the minute; the others are settled. */
  async function takeUnknown(): Promise<readonly Candidate[]> {
    const block: Candidate[] = [];
    const slice = new TimeSlice();
    for (; at < stage.open.length && block.length < bodyMessages; at += 1) {
      const candidate = stage.open[at];
      if (candidate === undefined) break;
      const body = searched.get(session, recordOf(candidate));
      if (body === undefined) block.push(candidate);
      else settleBody(session, candidate, body, stage);
      if (slice.isUsedUp) await slice.rest();
    }
    return block;
  }
  for await (const { block, bodies, bytes } of blocks) {
    for (const [place, candidate] of block.entries()) {
      const body = usable(bodies[place]);
      if (body === undefined) continue;
      const whole = bytes[place] ?? (await body.read(0, body.size));
      const known = { ...candidate.known, body: whole };
      if (whole.length <= largeBytesMin) settleBody(session, candidate, whole, stage);
      else if (await session.deps.searches.evaluate(stage.key, known)) {
        stage.found[candidate.message.index] = 1;
      }
    }
    assertOpen(session);
    await nextTurn();
  }
}

function settleBody(session: Session, candidate: Candidate, body: Uint8Array, stage: Stage): void {
  settle({ ...candidate, known: { ...candidate.known, body } }, stage, []);
  session.deps.searched.grown(session, recordOf(candidate), textBytesOf(body));
}

function settle(candidate: Candidate, stage: Stage, undecided: Candidate[]): void {
  const verdict = evaluateSearch(stage.key, candidate.known);
  if (verdict === true) stage.found[candidate.message.index] = 1;
  if (verdict === undefined) undecided.push(candidate);
}

function refsOf(block: readonly Candidate[]): MessageFacts['record'][] {
  return block.map(({ facts }) => facts?.record).filter((ref) => ref !== undefined);
}

function recordOf(candidate: Candidate | undefined): string {
  assert(candidate?.facts !== undefined, 'facts come before bodies');
  return candidate.facts.record.recordId;
}

/** An erased message is not found; any other failure fails the search: no silent gaps. */
function usable<T>(opened: T | PostsealError | undefined): T | undefined {
  if (!(opened instanceof PostsealError)) return opened;
  if (opened.code === 'key.destroyed') return undefined;
  throw opened;
}

function assertOpen(session: Session): void {
  if (session.out.closed) throw new ConnectionClosed('the client left within a search');
}

/** The event of this search, and a new one when a long search outlives it. */
class SearchGrants {
  readonly #session: Session;
  readonly #stage: Stage;
  #current: { readonly until: number; readonly grant: OpenGrant } | null = null;

  constructor(session: Session, stage: Stage) {
    this.#session = session;
    this.#stage = stage;
  }

  async current(): Promise<OpenGrant> {
    const { deps, signedIn, mailbox } = this.#session;
    const now = deps.clock.now();
    if (this.#current !== null && this.#current.until > now) return this.#current.grant;
    const { custodian } = signedIn.account;
    const event = await deps.committer.record({
      op: 'search.run',
      outcome: 'success',
      actor: signedIn.actor,
      objects: [
        { t: 'mbx', id: mailbox.id },
        { t: 'cus', id: custodian },
      ],
      fields: { uv: mailbox.view.uidValidity, n: this.#stage.open.length, need: this.#stage.need },
      personal: [{ slot: 'terms', subject: custodian, value: termsOf(this.#stage.key) }],
    });
    const grant: OpenGrant = {
      session: signedIn.session,
      purpose: 'owner-search',
      events: [event],
    };
    this.#current = { until: now + grantLifeMs, grant };
    return grant;
  }
}

/** The texts that were looked for, with the place they were looked for in. */
function termsOf(key: SearchKey): JsonValue[] {
  const out: JsonValue[] = [];
  const visit = (node: SearchKey): void => {
    if (out.length >= termsMax) return;
    if (node.kind === 'header') out.push([node.field.slice(0, 80), node.value.slice(0, 200)]);
    if (node.kind === 'body' || node.kind === 'text')
      out.push([node.kind, node.value.slice(0, 200)]);
    if (node.kind === 'not') visit(node.key);
    if (node.kind === 'and') node.keys.forEach(visit);
    if (node.kind === 'or') {
      visit(node.left);
      visit(node.right);
    }
  };
  visit(key);
  return out;
}
