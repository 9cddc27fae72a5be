// Which stored content a new record gets: one that is here, one that this process is just storing, or
// a new one (architecture §3 "single instance, separate keys"). Nothing is decided for good here: the
// record part checks at the commit that the content and the wrap are (still) there.
import { PostsealError } from '../kernel/errors.ts';
import type { CustodianId, RecordNo } from '../kernel/ids.ts';
import type { KeyClient, KeySlot } from '../vault/keys/types.ts';
import type { Coalescer } from './coalescer.ts';
import type { KnownContent, TagQuestion } from './content-lookup.store.ts';
import { type ChosenContent, groupOf, type RecordDraft, type SealedBody } from './record-draft.ts';

export interface Choice {
  /** Stands for the draft among the holders of a sealed body. */
  readonly holder: object;
  readonly custodian: CustodianId;
  readonly recordNo: RecordNo;
  readonly tag: Buffer;
  readonly seal: () => SealedBody;
}

interface Pending {
  decided: Promise<SealedBody | undefined>;
  body: SealedBody | undefined;
}

/** Rounds after a holder's wrap vanished between the look and the rewrap. */
const roundsMax = 4;

export class ContentChooser {
  readonly #keys: KeyClient;
  readonly #lookup: Coalescer<TagQuestion, KnownContent | undefined>;
  /** By tag: what is being decided, or sealed and not given up yet. */
  readonly #pending = new Map<string, Pending>();

  constructor(keys: KeyClient, lookup: Coalescer<TagQuestion, KnownContent | undefined>) {
    this.#keys = keys;
    this.#lookup = lookup;
  }

  /**
   * Chooses, and runs `beside` in the same turn as its own request to the key service, so that both
   * travel in one frame. If either fails, nothing is held.
   */
  async chooseWith<T>(
    choice: Choice,
    beside: () => Promise<T>,
  ): Promise<{ readonly content: ChosenContent; readonly beside: T }> {
    let other: Promise<T> | undefined;
    const start = (): void => {
      other ??= beside();
      // Its failure is awaited below; until then it must not count as unhandled.
      other.catch(() => undefined);
    };
    const content = await this.#choose(choice, start);
    try {
      start();
      if (other === undefined) throw new PostsealError('internal', { what: 'nothing beside' });
      return { content, beside: await other };
    } catch (error) {
      if (content.sealed !== undefined) await this.#leave(choice, content.sealed);
      throw error;
    }
  }

  async #choose(choice: Choice, beside: () => void): Promise<ChosenContent> {
    for (let round = 1; ; round += 1) {
      try {
        // Looked up and set in one turn, so that of two equal messages the second one waits.
        const pending = this.#pending.get(keyOf(choice));
        if (pending === undefined) return await this.#decide(choice, beside);
        const body = await this.#join(choice, pending);
        if (body !== undefined) return await this.#hold(choice, body, beside);
        // Mostly a known content, which all who waited may look up together.
        const known = await this.#lookup.ask(choice);
        if (known !== undefined) return await this.#adopt(choice, known, beside);
        round -= 1;
      } catch (error) {
        const vanished = error instanceof PostsealError && error.code === 'key.destroyed';
        if (!vanished || round === roundsMax) throw error;
      }
    }
  }

  /** Decides again after a conflict or a lost write, which say that what was chosen is not there. */
  async chooseAgain(draft: RecordDraft): Promise<void> {
    const before = draft.content.sealed;
    const key = keyOf(draft);
    if (this.#pending.get(key)?.body === before) this.#pending.delete(key);
    draft.content = await this.#choose(draft, () => undefined);
    const now = draft.content.sealed;
    if (before !== now && before !== draft.spare) await this.#leave(draft, before);
  }

  /** The draft is committed or given up. Rejects if the file of a large body cannot be deleted. */
  async release(draft: RecordDraft, committed: boolean): Promise<void> {
    const { sealed } = draft.content;
    if (committed && sealed !== undefined) sealed.stored = true;
    await Promise.all([
      this.#leave(draft, sealed),
      draft.spare === sealed ? undefined : this.#leave(draft, draft.spare),
    ]);
  }

  async #leave(draft: Choice, body: SealedBody | undefined): Promise<void> {
    if (body === undefined || !body.holders.delete(draft.holder) || body.holders.size > 0) return;
    if (this.#pending.get(keyOf(draft))?.body === body) this.#pending.delete(keyOf(draft));
    body.dek.fill(0);
    if (!body.stored) await body.discard();
  }

  /** The body that another draft is storing, with this one among its holders; else undefined. */
  async #join(choice: Choice, pending: Pending): Promise<SealedBody | undefined> {
    const body = await pending.decided.catch(() => undefined);
    if (body !== undefined && body.holders.size > 0) {
      body.holders.add(choice.holder);
      return body;
    }
    // Known, failed or given up: whoever comes first decides anew.
    const key = keyOf(choice);
    if (this.#pending.get(key) === pending) this.#pending.delete(key);
    return undefined;
  }

  async #decide(choice: Choice, beside: () => void): Promise<ChosenContent> {
    const key = keyOf(choice);
    const known = this.#lookup.ask({ tag: choice.tag, custodian: choice.custodian });
    const pending: Pending = {
      body: undefined,
      decided: known.then((content) => {
        if (content !== undefined) return undefined;
        const body = choice.seal();
        body.holders.add(choice.holder);
        pending.body = body;
        return body;
      }),
    };
    this.#pending.set(key, pending);
    try {
      const body = await pending.decided;
      if (body !== undefined) return await this.#hold(choice, body, beside);
    } finally {
      if (pending.body === undefined && this.#pending.get(key) === pending) {
        this.#pending.delete(key);
      }
    }
    return this.#adopt(choice, present(await known), beside);
  }

  async #hold(choice: Choice, sealed: SealedBody, beside: () => void): Promise<ChosenContent> {
    const slot = slotOf(choice, sealed.contentId);
    try {
      beside();
      const [wrap] = await this.#keys.wrap([{ ...slot, key: sealed.dek }]);
      const holding = { kind: 'wrap', wrap: present(wrap) } as const;
      return { contentId: sealed.contentId, sealed, holding };
    } catch (error) {
      await this.#leave(choice, sealed);
      throw error;
    }
  }

  async #adopt(choice: Choice, known: KnownContent, beside: () => void): Promise<ChosenContent> {
    const { contentId } = known;
    beside();
    if (known.own) return { contentId, sealed: undefined, holding: { kind: 'own' } };
    const from = {
      custodian: known.holder,
      group: known.group,
      purpose: 'dek',
      objectId: contentId,
      wrap: known.wrap,
    } as const;
    const [wrap] = await this.#keys.rewrap([{ from, to: slotOf(choice, contentId) }]);
    return { contentId, sealed: undefined, holding: { kind: 'wrap', wrap: present(wrap) } };
  }
}

const keyOf = ({ tag }: Pick<Choice, 'tag'>): string => tag.toString('latin1');

const slotOf = (choice: Choice, contentId: string): KeySlot => ({
  custodian: choice.custodian,
  group: groupOf(choice.recordNo),
  purpose: 'dek',
  objectId: contentId,
});

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new PostsealError('internal', { what: 'a wrap is missing' });
  return value;
}
