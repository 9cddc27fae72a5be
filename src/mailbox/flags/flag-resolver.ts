// Flag names to bits of a mailbox and back. New keywords get their bit in an operation of their own,
// before the command that uses them, so that the command itself is one statement on numbers.
import { part } from '../../archive/committer/types.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { Actor } from '../../ledger/event/draft.ts';
import { keywordName } from '../names/keyword-name.ts';
import type { NameSealer, SealedName } from '../names/name-sealer.ts';
import { keywordsKind } from '../parts/keywords.store.ts';
import type { Room } from '../room.ts';
import { type MailboxKey, readKeywords, type SealedKeyword } from '../state/read-state.store.ts';
import type { FlagName, Keyword } from '../types.ts';
import { bitValue, hasBit, orBits, systemFlagBit, systemFlagNames } from './bits.ts';

/** Keywords of a mailbox as this process knows them, else as they are stored. */
export async function sealedKeywords(
  room: Room,
  key: MailboxKey,
): Promise<readonly SealedKeyword[]> {
  return room.states.peek(key.mailbox)?.keywords ?? (await readKeywords(room.db.pool, key));
}

export interface FlagRequest {
  readonly key: MailboxKey;
  readonly names: readonly FlagName[];
  readonly actor: Actor;
  /** False for removing: a keyword that the mailbox does not know cannot be set on a message. */
  readonly allot: boolean;
  /** Hex, when the mailbox was asked for by a name: new keywords are for that one only. */
  readonly nameTag?: string | undefined;
}

/**
 * The bits of these names, `\Recent` ignored.
 * @throws PostsealError `mailbox.name` for what is no keyword, `limit.reached` without a bit left.
 */
export async function flagBits(
  room: Room,
  sealer: NameSealer,
  request: FlagRequest,
): Promise<number> {
  let bits = 0;
  const keywords: string[] = [];
  for (const name of request.names) {
    const system = systemFlagBit(name);
    if (system !== undefined) bits = orBits(bits, bitValue(system));
    else if (!isRecent(name)) keywords.push(keywordName(name));
  }
  if (keywords.length === 0) return bits;
  const found = await keywordBits(room, sealer, request, keywords);
  return found.reduce((sum, bit) => orBits(sum, bitValue(bit)), bits);
}

/** `\Recent` cannot be set; other names with a backslash are refused as keywords. */
function isRecent(name: string): boolean {
  return name.toLowerCase() === '\\recent';
}

async function keywordBits(
  room: Room,
  sealer: NameSealer,
  { key, actor, allot, nameTag }: FlagRequest,
  names: readonly string[],
): Promise<number[]> {
  const tags = names.map((name) => sealer.keywordTag(key.mailbox, name).toString('hex'));
  let known = bitsByTag(await sealedKeywords(room, key));
  // What memory does not know another process may have allotted.
  if (tags.some((tag) => !known.has(tag))) known = bitsByTag(await readKeywords(room.db.pool, key));
  const bits: number[] = [];
  const fresh = new Map<string, SealedName>();
  for (const [i, name] of names.entries()) {
    const tag = tags[i] ?? '';
    const bit = known.get(tag);
    if (bit !== undefined) bits.push(bit);
    else if (allot && !fresh.has(tag)) fresh.set(tag, sealer.keyword(key.mailbox, name));
  }
  if (fresh.size === 0) return bits;
  const { outputs } = await room.committer.commit({
    events: [
      {
        op: 'mailbox.keyword-added',
        outcome: 'success',
        actor,
        objects: [{ t: 'mbx', id: key.mailbox }],
        fields: { n: fresh.size },
      },
    ],
    parts: [part(keywordsKind, { ...key, nameTag, names: [...fresh.values()] })],
  });
  await room.states.peek(key.mailbox)?.reloadKeywords();
  return [...bits, ...outputs[0]];
}

function bitsByTag(keywords: readonly SealedKeyword[]): Map<string, number> {
  return new Map(keywords.map(({ tag, bit }) => [tag, bit]));
}

/**
 * Bit values of keywords, source to target, for the bits that are used; allots what the target lacks.
 * What finds no bit there is dropped: the copy counts more than its label.
 */
export async function translateKeywords(
  room: Room,
  sealer: NameSealer,
  request: {
    readonly from: MailboxKey;
    readonly to: MailboxKey;
    readonly toNameTag: string | undefined;
    readonly actor: Actor;
  },
  usedBits: number,
): Promise<{ readonly from: number; readonly to: number }[]> {
  const { from, to, toNameTag: nameTag, actor } = request;
  const used = (await sealedKeywords(room, from)).filter(({ bit }) => hasBit(usedBits, bit));
  if (from.mailbox === to.mailbox) {
    return used.map(({ bit }) => ({ from: bitValue(bit), to: bitValue(bit) }));
  }
  const out: { from: number; to: number }[] = [];
  for (const { bit, cell } of used) {
    const name = sealer.open(from.mailbox, cell);
    try {
      const [target] = await keywordBits(
        room,
        sealer,
        { key: to, names: [name], actor, allot: true, nameTag },
        [name],
      );
      if (target !== undefined) out.push({ from: bitValue(bit), to: bitValue(target) });
    } catch (error) {
      if (!(error instanceof PostsealError) || error.code !== 'limit.reached') throw error;
    }
  }
  return out;
}

/** Names of the bits, system flags first; bits of unknown keywords are left out. */
export function flagNames(flags: number, keywords: readonly Keyword[]): FlagName[] {
  const system = systemFlagNames.filter((_, bit) => hasBit(flags, bit));
  const own = keywords.filter(({ bit }) => hasBit(flags, bit)).map(({ name }) => name);
  return [...system, ...own];
}
