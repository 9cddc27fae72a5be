// Which stored content a new record gets: one that is here, one that this process is just storing, or
// a new one (architecture §3 "single instance, separate keys"). Nothing is decided for good here: the
// record part checks at the commit that the content and the wrap are (still) there.
import { PostsealError } from '../kernel/errors.ts';
import type { CustodianId, RecordNo } from '../kernel/ids.ts';
import type { KeyClient, KeySlot } from '../vault/keys/types.ts';
import type { Coalescer } from './coalescer.ts';
import type { KnownContent, PartQuestion, TagQuestion } from './content-lookup.store.ts';
import type { MessageRecipe, PartSource } from './message-recipe.ts';
import {
  type ChosenContent,
  type ChosenPart,
  groupOf,
  type RecordDraft,
  type SealedBody,
} from './record-draft.ts';

export interface Choice {
  /** Stands for the draft among the holders of a sealed body. */
  readonly holder: object;
  readonly custodian: CustodianId;
  readonly recordNo: RecordNo;
  readonly tag: Buffer;
  readonly seal: () => SealedBody;
  readonly recipe: () => MessageRecipe | undefined;
  /** What its key is for; left out: a message. */
  readonly purpose?: 'part';
}

/** A body that was sealed for the first who asked, and the parts that it takes from others. */
interface Sealing {
  readonly body: SealedBody;
  readonly parts: readonly ChosenPart[];
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
  readonly #parts: Coalescer<PartQuestion, KnownContent | undefined>;
  /** By tag: what is being decided, or sealed and not given up yet. */
  readonly #pending = new Map<string, Pending>();

  constructor(
    keys: KeyClient,
    lookup: Coalescer<TagQuestion, KnownContent | undefined>,
    parts: Coalescer<PartQuestion, KnownContent | undefined>,
  ) {
    this.#keys = keys;
    this.#lookup = lookup;
    this.#parts = parts;
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
      await this.#leaveAll(choice, content);
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
        if (body !== undefined) {
          const parts = await this.#partsOf(choice, body);
          if (parts !== undefined) return await this.#hold(choice, { body, parts }, beside);
          this.#forget(choice.tag, body);
          continue;
        }
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
    const before = draft.content;
    for (const { tag, sealed } of bodiesOf(draft, before)) this.#forget(tag, sealed);
    draft.content = await this.#choose(draft, () => undefined);
    const now = new Set(bodiesOf(draft, draft.content).map(({ sealed }) => sealed));
    for (const { tag, sealed } of bodiesOf(draft, before)) {
      if (!now.has(sealed) && sealed !== draft.spare) await this.#leave(draft, tag, sealed);
    }
  }

  /** The draft is committed or given up. Rejects if the file of a large body cannot be deleted. */
  async release(draft: RecordDraft, committed: boolean): Promise<void> {
    const bodies = bodiesOf(draft, draft.content);
    if (committed) for (const { sealed } of bodies) sealed.stored = true;
    const { spare } = draft;
    const unused = spare !== undefined && draft.content.sealed !== spare;
    await Promise.all([
      ...bodies.map(({ tag, sealed }) => this.#leave(draft, tag, sealed)),
      unused ? this.#leave(draft, draft.tag, spare) : undefined,
    ]);
  }

  async #leave({ holder }: Pick<Choice, 'holder'>, tag: Buffer, body: SealedBody): Promise<void> {
    if (!body.holders.delete(holder) || body.holders.size > 0) return;
    this.#forget(tag, body);
    body.dek.fill(0);
    if (!body.stored) await body.discard();
  }

  async #leaveAll(choice: Choice, content: Pick<ChosenContent, 'sealed' | 'parts'>): Promise<void> {
    for (const { tag, sealed } of bodiesOf(choice, content)) await this.#leave(choice, tag, sealed);
  }

  /** Nobody else comes to this body; who asks next decides anew. */
  #forget(tag: Buffer, body: SealedBody): void {
    if (this.#pending.get(keyOf({ tag }))?.body === body) this.#pending.delete(keyOf({ tag }));
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
    let parts: readonly ChosenPart[] = [];
    const pending: Pending = {
      body: undefined,
      decided: known.then(async (content) => {
        if (content !== undefined) return undefined;
        ({ parts } = await this.#seal(choice, pending));
        return pending.body;
      }),
    };
    this.#pending.set(key, pending);
    try {
      const body = await pending.decided;
      if (body !== undefined) return await this.#hold(choice, { body, parts }, beside);
    } finally {
      if (pending.body === undefined && this.#pending.get(key) === pending) {
        this.#pending.delete(key);
      }
    }
    return this.#adopt(choice, present(await known), beside);
  }

  async #seal(choice: Choice, pending: Pending): Promise<Sealing> {
    const recipe = choice.recipe();
    const parts = recipe === undefined ? [] : await this.#chooseParts(choice, recipe.parts);
    try {
      const body = recipe?.seal(parts.map(({ contentId }) => contentId)) ?? choice.seal();
      body.holders.add(choice.holder);
      pending.body = body;
      return { body, parts };
    } catch (error) {
      await this.#leaveAll(choice, { sealed: undefined, parts });
      throw error;
    }
  }

  /** Parts are chosen like contents, all or none, for the custodian of the message. */
  async #chooseParts(choice: Choice, sources: readonly PartSource[]): Promise<ChosenPart[]> {
    const chosen = await Promise.allSettled(
      sources.map(async ({ tag, size, seal }) => {
        const own = { ...choice, tag, seal, ...asPart };
        const { contentId, sealed, holding } = await this.#choose(own, () => undefined);
        return { contentId, sealed, holding, tag, size };
      }),
    );
    const parts = chosen.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const failure = chosen.find((each) => each.status === 'rejected');
    if (failure === undefined) return parts;
    await this.#leaveAll(choice, { sealed: undefined, parts });
    throw failure.reason;
  }

  /** The parts of a body that another draft is storing; undefined if one of them is another by now. */
  async #partsOf(choice: Choice, body: SealedBody): Promise<readonly ChosenPart[] | undefined> {
    if (body.parts.length === 0) return [];
    try {
      const parts = await this.#chooseParts(choice, choice.recipe()?.parts ?? []);
      const same = body.parts.every(({ contentId }, i) => parts[i]?.contentId === contentId);
      if (same && parts.length === body.parts.length) return parts;
      await this.#leaveAll(choice, { sealed: body, parts });
      return undefined;
    } catch (error) {
      await this.#leave(choice, choice.tag, body);
      throw error;
    }
  }

  async #hold(
    choice: Choice,
    { body, parts }: Sealing,
    beside: () => void,
  ): Promise<ChosenContent> {
    const { contentId } = body;
    try {
      beside();
      const [wrap] = await this.#keys.wrap([{ ...slotOf(choice, contentId), key: body.dek }]);
      const holding = { kind: 'wrap', wrap: present(wrap) } as const;
      return { contentId, sealed: body, holding, parts };
    } catch (error) {
      await this.#leaveAll(choice, { sealed: body, parts });
      throw error;
    }
  }

  async #adopt(choice: Choice, known: KnownContent, beside: () => void): Promise<ChosenContent> {
    const { contentId, own } = known;
    const { custodian } = choice;
    const questions = own ? [] : known.parts.map((part) => ({ contentId: part, custodian }));
    const parts =
      questions.length === 0
        ? []
        : await Promise.all(questions.map((each) => this.#parts.ask(each)));
    beside();
    const [holding, ...partHoldings] = await Promise.all([
      this.#rewrapped(choice, known),
      ...parts.map((part) => this.#rewrapped({ ...choice, ...asPart }, there(part))),
    ]);
    const chosen = parts.map((part, i) => {
      const { contentId: id, tag, size } = there(part);
      return { contentId: id, tag, size, sealed: undefined, holding: present(partHoldings[i]) };
    });
    return { contentId, sealed: undefined, holding, parts: chosen };
  }

  async #rewrapped(choice: Choice, known: KnownContent): Promise<ChosenContent['holding']> {
    if (known.own) return { kind: 'own' };
    const to = slotOf(choice, known.contentId);
    const from = { ...to, custodian: known.holder, group: known.group, wrap: known.wrap };
    const [wrap] = await this.#keys.rewrap([{ from, to }]);
    return { kind: 'wrap', wrap: present(wrap) };
  }
}

/** A part is made of no other. */
const asPart = { recipe: () => undefined, purpose: 'part' } as const;

const keyOf = ({ tag }: Pick<Choice, 'tag'>): string => tag.toString('latin1');

/** Bodies of this process that a choice holds, each with the tag under which others find it. */
function bodiesOf(
  { tag }: Pick<Choice, 'tag'>,
  { sealed, parts }: Pick<ChosenContent, 'sealed' | 'parts'>,
): { readonly tag: Buffer; readonly sealed: SealedBody }[] {
  return [{ tag, sealed }, ...parts].flatMap((each) =>
    each.sealed === undefined ? [] : [{ tag: each.tag, sealed: each.sealed }],
  );
}

const slotOf = (choice: Choice, contentId: string): KeySlot => ({
  custodian: choice.custodian,
  group: groupOf(choice.recordNo),
  purpose: choice.purpose ?? 'dek',
  objectId: contentId,
});

/** @throws PostsealError `key.destroyed`: it was shredded meanwhile, and the whole choice is made again. */
function there(part: KnownContent | undefined): KnownContent {
  if (part === undefined) throw new PostsealError('key.destroyed', { what: 'part' });
  return part;
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new PostsealError('internal', { what: 'a wrap is missing' });
  return value;
}
