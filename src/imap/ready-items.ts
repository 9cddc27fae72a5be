// The items of a FETCH made ready for its messages: what depends on the command alone is worked out once,
// since a command may tell a hundred thousand messages. Texts have one character an octet.
import { assert, PostsealError } from '../kernel/errors.ts';
import type { SeqNum, Uid } from '../kernel/ids.ts';
import type { BodyReader, RecordMetadata } from '../archive/types.ts';
import type { MessageFacts } from '../mailbox/types.ts';
import { answererOf, type ItemAnswer, itemNeed, wholeAnswerer } from './items/index.ts';
import type { FlagsOf } from './selected-mailbox.ts';
import type { Session } from './session.ts';
import { formatDateTime } from './wire/decode-date.ts';
import type { FetchItem } from './wire/fetch-item.ts';

/** A message with what the items of the command need of it. */
export interface OpenedMessage {
  readonly seq: SeqNum;
  readonly uid: Uid;
  /** Null where no item asks for them. */
  readonly flags: FlagsOf | null;
  readonly facts: MessageFacts | undefined;
  readonly metadata: RecordMetadata | undefined;
  readonly body: BodyReader | undefined;
}

/** Name and value of an item. @throws PostsealError */
export type Tell = (message: OpenedMessage) => string;

/** An item that is told at once, or one for which octets of the body may have to be read. */
export type ReadyItem =
  | { readonly kind: 'tell'; readonly tell: Tell }
  | { readonly kind: 'answer'; readonly answer: (message: OpenedMessage) => ItemAnswer };

export interface ReadyItems {
  readonly all: readonly ReadyItem[];
  /** The same if every one is told at once, else null. */
  readonly tells: readonly Tell[] | null;
}

export function readyItems(session: Session, items: readonly FetchItem[]): ReadyItems {
  const all = items.map((item) => readyItem(session, item));
  const tells = all.flatMap((item) => (item.kind === 'tell' ? [item.tell] : []));
  return { all, tells: tells.length === all.length ? tells : null };
}

type OwnItem = Extract<
  FetchItem,
  { kind: 'flags' | 'uid' | 'modseq' | 'internaldate' | 'rfc822.size' }
>;

/** Items that need no key. */
const own: Readonly<Record<OwnItem['kind'], (session: Session) => Tell>> = {
  flags: tellFlags,
  uid:
    () =>
    ({ uid }) =>
      `UID ${uid}`,
  modseq:
    () =>
    ({ flags }) =>
      `MODSEQ (${looked(flags).modseq})`,
  internaldate:
    () =>
    ({ facts }) =>
      `INTERNALDATE "${formatDateTime(present(facts).internalDate)}"`,
  'rfc822.size':
    () =>
    ({ facts }) =>
      `RFC822.SIZE ${present(facts).size}`,
};

const isOwn = (item: FetchItem): item is OwnItem => Object.hasOwn(own, item.kind);

function readyItem(session: Session, item: FetchItem): ReadyItem {
  if (isOwn(item)) return { kind: 'tell', tell: own[item.kind](session) };
  const need = itemNeed(item);
  if (item.kind === 'section' && need === 'octets') {
    const whole = wholeAnswerer(item);
    return { kind: 'answer', answer: ({ body }) => whole(present(body).size) };
  }
  const answer = answererOf(item);
  if (need !== 'metadata') {
    return { kind: 'answer', answer: ({ metadata }) => answer(present(metadata)) };
  }
  return {
    kind: 'tell',
    tell: ({ metadata }) => {
      const told = answer(present(metadata));
      assert(told.kind === 'text', 'metadata is told as text');
      return told.text;
    },
  };
}

/** Texts that are kept; a mailbox has few combinations of flags, unless someone means it ill. */
const flagTextsMax = 1_000;

function tellFlags(session: Session): Tell {
  const { mailbox } = session;
  const texts = new Map<number, string>();
  return ({ flags: state }) => {
    const { uid, flags } = looked(state);
    const recent = !session.rev2 && mailbox.view.isRecent(uid);
    const key = recent ? -1 - flags : flags;
    const known = texts.get(key);
    if (known !== undefined) return known;
    const text = `FLAGS (${mailbox.flagNames(session, uid, flags).join(' ')})`;
    if (texts.size === flagTextsMax) texts.clear();
    texts.set(key, text);
    return text;
  };
}

function looked(flags: FlagsOf | null): FlagsOf {
  assert(flags !== null, 'flags are looked up where an item tells them');
  return flags;
}

/** What was to be opened. @throws PostsealError `key.destroyed` when there is nothing. */
export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new PostsealError('key.destroyed');
  return value;
}
