// What a SEARCH tells and saves (RFC 9051 §6.4.4, §7.3.4; RFC 3501 §7.2.5; RFC 5182 §2; RFC 7162 §3.1.5).
import type { ModSeq } from '../kernel/ids.ts';
import type { MessageList, ViewMessage } from './message-list.ts';
import type { Session } from './session.ts';
import { writeEsearch } from './wire/encode-esearch.ts';
import { type Ranges, rangesOfSorted } from './wire/ranges.ts';
import type { SearchReturn } from './wire/search-key.ts';

export interface SearchResult {
  readonly tag: string;
  readonly uid: boolean;
  /** Null: no RETURN. */
  readonly returns: SearchReturn | null;
  readonly usesModSeq: boolean;
  readonly found: MessageList;
}

const plainEsearch: SearchReturn = { min: false, max: false, all: true, count: false, save: false };

/** Writes SEARCH or ESEARCH. */
export async function tellSearch(session: Session, result: SearchResult): Promise<void> {
  const number = ({ uid, index }: ViewMessage): number => (result.uid ? uid : index + 1);
  if (result.returns === null && !session.rev2) {
    await tellPlain(session, result, number);
    return;
  }
  const returns = result.returns ?? plainEsearch;
  // RFC 5182 §2.1: SAVE alone is answered by the tagged OK only.
  if (!returns.min && !returns.max && !returns.all && !returns.count) return;
  const { found } = result;
  const { first, last } = found;
  const told = returns.all || returns.count ? found : edges(found, returns);
  const highest = result.usesModSeq ? highestModSeq(session, told) : null;
  writeEsearch(session.out.enc, {
    tag: result.tag,
    uid: result.uid,
    ...(returns.min && first !== undefined ? { min: number(first) } : {}),
    ...(returns.max && last !== undefined ? { max: number(last) } : {}),
    ...(returns.count ? { count: found.length } : {}),
    ...(returns.all ? { all: result.uid ? found.uidRanges() : found.numberRanges() } : {}),
    ...(highest === null ? {} : { modSeq: highest }),
  });
}

/** Uids that `$` stands for afterwards: all found, or only the edges if only those were asked for. */
export function savedBy(result: SearchResult): Ranges {
  const { returns, found } = result;
  const onlyEdges =
    returns !== null && (returns.min || returns.max) && !returns.all && !returns.count;
  if (!onlyEdges) return found.uidRanges();
  return rangesOfSorted(edges(found, returns).map(({ uid }) => uid));
}

function edges(found: MessageList, returns: SearchReturn): readonly ViewMessage[] {
  const { first, last } = found;
  const out = [
    ...(returns.min && first !== undefined ? [first] : []),
    ...(returns.max && last !== undefined ? [last] : []),
  ];
  return out.length === 2 && first?.index === last?.index ? out.slice(0, 1) : out;
}

async function tellPlain(
  session: Session,
  { found, usesModSeq }: SearchResult,
  number: (message: ViewMessage) => number,
): Promise<void> {
  const { out } = session;
  out.enc.raw('* SEARCH');
  out.midLine = true;
  for (const message of found) {
    out.enc.raw(` ${number(message)}`);
    await out.relieve();
  }
  const highest = usesModSeq ? highestModSeq(session, found) : null;
  if (highest !== null) out.enc.raw(` (MODSEQ ${highest})`);
  out.enc.crlf();
  out.midLine = false;
}

function highestModSeq(session: Session, messages: Iterable<ViewMessage>): ModSeq | null {
  const snapshot = session.mailbox.view.snapshot();
  let highest: ModSeq | null = null;
  for (const { index } of messages) {
    const modSeq = snapshot.modseq(index);
    if (highest === null || modSeq > highest) highest = modSeq;
  }
  return highest;
}
