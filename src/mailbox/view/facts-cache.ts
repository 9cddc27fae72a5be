// What message rows know beside flags, kept for the process: record, size and dates of a row never change,
// a uid is never given again (RFC 9051 §2.3.1.1), and rows that left the view move to message_history with
// the same values, erased ones too (src/mailbox/message-erasure.ts). So nothing here grows old, and nothing
// here opens anything: keys and sealed rows are asked for anew at each read.
import type { CustodianId, MailboxId, RecordId, RecordNo, Uid } from '../../kernel/ids.ts';
import type { UnixMs } from '../../kernel/time.ts';
import type { MailboxKey } from '../state/read-state.store.ts';
import type { MessageFacts } from '../types.ts';

/** Neighbours are asked for together, so that is how they are kept and let go. */
const blockUids = 64;
/** A mailbox may take this part of the cache: reading through a huge one leaves the others theirs. */
const shareOfOne = 1 / 8;

type ReadFacts = (key: MailboxKey, uids: readonly Uid[]) => Promise<MessageFacts[]>;

/** 64 uids in a row, about 100 bytes each. */
class Block {
  readonly #records = new Array<RecordId | undefined>(blockUids).fill(undefined);
  /** Record number, size, internal date and saved date of each. */
  readonly #numbers = new Float64Array(blockUids * 4);

  get(custodian: CustodianId, uid: Uid): MessageFacts | undefined {
    const place = uid % blockUids;
    const recordId = this.#records[place];
    if (recordId === undefined) return undefined;
    const at = place * 4;
    const numbers = this.#numbers;
    return {
      uid,
      record: { custodian, recordId, recordNo: (numbers[at] ?? 0) as RecordNo },
      size: numbers[at + 1] ?? 0,
      internalDate: (numbers[at + 2] ?? 0) as UnixMs,
      savedAt: (numbers[at + 3] ?? 0) as UnixMs,
    };
  }

  put({ uid, record, size, internalDate, savedAt }: MessageFacts): void {
    const place = uid % blockUids;
    this.#records[place] = record.recordId;
    this.#numbers.set([record.recordNo, size, internalDate, savedAt], place * 4);
  }
}

/** Blocks of a mailbox in order of use, the one used last at the end. */
interface Shelf {
  readonly custodian: CustodianId;
  readonly blocks: Map<number, Block>;
}

export class FactsCache {
  readonly #read: ReadFacts;
  readonly #blocksMax: number;
  readonly #blocksOfOneMax: number;
  /** In order of use. */
  readonly #shelves = new Map<MailboxId, Shelf>();
  #blocks = 0;

  /** `messagesMax` bounds memory, room for uids between those that were asked for included. */
  constructor(read: ReadFacts, messagesMax: number) {
    this.#read = read;
    this.#blocksMax = Math.max(1, Math.floor(messagesMax / blockUids));
    this.#blocksOfOneMax = Math.max(1, Math.floor(this.#blocksMax * shareOfOne));
  }

  /** Messages that there is room for now, at most `messagesMax`. */
  get size(): number {
    return this.#blocks * blockUids;
  }

  /** Sorted by uid; uids that never were are left out. */
  async of(key: MailboxKey, uids: readonly Uid[]): Promise<MessageFacts[]> {
    const wanted = ascending(uids) ? uids : [...new Set(uids)].sort((a, b) => a - b);
    const { known, missing } = this.#known(key, wanted);
    if (missing.length === 0) return known;
    const read = await this.#read(key, missing);
    this.#keep(key, read);
    if (known.length === 0) return read;
    return [...known, ...read].sort((a, b) => a.uid - b.uid);
  }

  #known(
    key: MailboxKey,
    uids: readonly Uid[],
  ): { readonly known: MessageFacts[]; readonly missing: readonly Uid[] } {
    const shelf = this.#shelves.get(key.mailbox);
    if (shelf?.custodian !== key.custodian) return { known: [], missing: uids };
    touch(this.#shelves, key.mailbox, shelf);
    const known: MessageFacts[] = [];
    const missing: Uid[] = [];
    let number = -1;
    let block: Block | undefined;
    for (const uid of uids) {
      if (numberOf(uid) !== number) {
        number = numberOf(uid);
        block = shelf.blocks.get(number);
        if (block !== undefined) touch(shelf.blocks, number, block);
      }
      const facts = block?.get(key.custodian, uid);
      if (facts === undefined) missing.push(uid);
      else known.push(facts);
    }
    return { known, missing };
  }

  #keep({ custodian, mailbox }: MailboxKey, read: readonly MessageFacts[]): void {
    if (read.length === 0) return;
    let shelf = this.#shelves.get(mailbox);
    if (shelf?.custodian !== custodian) {
      if (shelf !== undefined) this.#clear(mailbox, shelf);
      shelf = { custodian, blocks: new Map() };
    }
    touch(this.#shelves, mailbox, shelf);
    for (const facts of read) this.#blockFor(shelf, numberOf(facts.uid)).put(facts);
  }

  #blockFor(shelf: Shelf, number: number): Block {
    const known = shelf.blocks.get(number);
    if (known !== undefined) return known;
    if (shelf.blocks.size >= this.#blocksOfOneMax) this.#dropOldest(shelf);
    while (this.#blocks >= this.#blocksMax) this.#evict();
    const block = new Block();
    shelf.blocks.set(number, block);
    this.#blocks += 1;
    return block;
  }

  /** The oldest block of the mailbox that was used longest ago, which is none that is being filled. */
  #evict(): void {
    for (const [mailbox, shelf] of this.#shelves) {
      this.#dropOldest(shelf);
      if (shelf.blocks.size === 0) this.#shelves.delete(mailbox);
      return;
    }
  }

  #dropOldest(shelf: Shelf): void {
    for (const number of shelf.blocks.keys()) {
      shelf.blocks.delete(number);
      this.#blocks -= 1;
      return;
    }
  }

  #clear(mailbox: MailboxId, shelf: Shelf): void {
    this.#blocks -= shelf.blocks.size;
    this.#shelves.delete(mailbox);
  }
}

const numberOf = (uid: number): number => Math.floor(uid / blockUids);

function touch<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key);
  map.set(key, value);
}

function ascending(uids: readonly Uid[]): boolean {
  for (let i = 1; i < uids.length; i += 1) {
    if ((uids[i] ?? 0) <= (uids[i - 1] ?? 0)) return false;
  }
  return true;
}
