// The way from a reader to a key (docs/architecture.md §4 "Reads"): an event that names the messages is
// durable before anything is opened, the key service checks it, and another event counts the bytes
// afterwards. One grant names at most 10,000 messages; a slow reader gets a new one in time.
import { type EventId, type MailboxId, type Uid, type UidValidity } from '../kernel/ids.ts';
import { uidsPerEventMax } from '../kernel/limits.ts';
import type { JsonValue } from '../ledger/event/canonical-json.ts';
import type { OpenGrant } from '../vault/keys/types.ts';
import type { MessageList, ViewMessage } from './message-list.ts';
import type { Session } from './session.ts';
import { formatRanges, rangesOfSorted } from './wire/ranges.ts';

/** Octets of the uid list in one event, which may have 16 KiB in all. */
const uidTextMax = 12_000;
/** The key service takes an event for ten minutes. */
const grantLifeMs = 8 * 60_000;

export type ReadOperation = 'read.granted' | 'metadata.read';

export interface ReadPurpose {
  readonly operation: ReadOperation;
  /** What is read, as short codes: `envelope`, `body`, … */
  readonly items: readonly string[];
}

/** How many of the ascending `uids` fit into one event, at least one. */
export function uidsOfOneEvent(uids: readonly Uid[]): number {
  let count = Math.min(uids.length, uidsPerEventMax);
  while (count > 1 && formatRanges(rangesOfSorted(uids.slice(0, count))).length > uidTextMax) {
    count = Math.ceil(count / 2);
  }
  return count;
}

interface Grant {
  /** The last message that it names. */
  readonly through: Uid;
  readonly until: number;
  readonly grant: OpenGrant;
}

export interface GrantedBlock {
  readonly block: readonly ViewMessage[];
  readonly grant: OpenGrant;
}

/** Grants for the messages of one command, taken in their order. */
export class ReadGrants {
  readonly #session: Session;
  readonly #mailbox: { readonly id: MailboxId; readonly uidValidity: UidValidity };
  readonly #purpose: ReadPurpose;
  readonly #messages: MessageList;
  #next = 0;
  #current: Grant | null = null;
  readonly #events: EventId[] = [];

  constructor(session: Session, purpose: ReadPurpose, messages: MessageList) {
    const { view } = session.mailbox;
    this.#session = session;
    this.#mailbox = { id: view.id, uidValidity: view.uidValidity };
    this.#purpose = purpose;
    this.#messages = messages;
  }

  /**
   * Messages from the first not yet granted on that one event names; an empty answer ends it. `most`
   * is how many the caller wants to handle at a time.
   */
  async next(most: number): Promise<GrantedBlock> {
    const wanted = this.#messages.slice(this.#next, this.#next + most);
    const [first] = wanted;
    if (first === undefined) {
      return { block: [], grant: { session: this.#by, purpose: 'owner-read', events: [] } };
    }
    const current = await this.#covering(first.uid);
    const block = wanted.filter(({ uid }) => uid <= current.through);
    this.#next += block.length;
    return { block, grant: current.grant };
  }

  /** The grant that names `uid` and is still young, or a new one from there on. */
  async #covering(uid: Uid): Promise<Grant> {
    const now = this.#session.deps.clock.now();
    const current = this.#current;
    if (current !== null && current.until > now && current.through >= uid) return current;
    const rest = this.#messages.uids(this.#next, this.#next + uidsPerEventMax);
    const named = rest.slice(0, uidsOfOneEvent(rest));
    const event = await this.#record(named);
    this.#events.push(event);
    const grant: OpenGrant = { session: this.#by, purpose: 'owner-read', events: [event] };
    this.#current = { through: named.at(-1) ?? uid, until: now + grantLifeMs, grant };
    return this.#current;
  }

  /** Counts the octets given out, without waiting. */
  ended(bytes: number): void {
    if (this.#purpose.operation !== 'read.granted' || this.#events.length === 0) return;
    const { deps, signedIn } = this.#session;
    deps.committer
      .record({
        op: 'read.ended',
        outcome: 'success',
        actor: signedIn.actor,
        objects: this.#objects,
        fields: { bytes, reads: this.#events.slice(0, 100) },
      })
      .catch((error: unknown) => {
        deps.log.error('imap.read.end-unrecorded', { session: this.#session.id, error });
      });
  }

  get #by(): OpenGrant['session'] {
    return this.#session.signedIn.session;
  }

  get #objects(): readonly { readonly t: 'mbx' | 'cus'; readonly id: string }[] {
    return [
      { t: 'mbx', id: this.#mailbox.id },
      { t: 'cus', id: this.#session.signedIn.account.custodian },
    ];
  }

  #record(uids: readonly Uid[]): Promise<EventId> {
    const fields: Record<string, JsonValue> = {
      uv: this.#mailbox.uidValidity,
      uids: formatRanges(rangesOfSorted(uids)),
      n: uids.length,
      items: [...this.#purpose.items],
    };
    return this.#session.deps.committer.record({
      op: this.#purpose.operation,
      outcome: 'success',
      actor: this.#session.signedIn.actor,
      objects: this.#objects,
      fields,
    });
  }
}
