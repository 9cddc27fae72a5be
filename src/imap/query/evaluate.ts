// SEARCH keys against one message (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 5032, RFC 7162 §3.1.5), in three
// values: true, false, and undefined where data is missing that the key needs. Callers go from cheap
// data to costly and ask again only for what is undecided.
import { usualFields } from '../../mime/usual-fields.ts';
import type { SearchKey } from '../wire/search-key.ts';
import { bodyHaystack, partHeaderHaystack } from './body-haystack.ts';
import { fold, foldHeader } from './fold.ts';
import { cellIsComplete, fullHaystack, usualHaystack } from './header-haystack.ts';
import type { SearchedMessage } from './searched-message.ts';

/** Undefined: undecided with what is known of the message. */
export type Verdict = boolean | undefined;

const msPerDay = 86_400_000;

/** Recursion is bounded by the depth limit of the grammar. */
export function evaluateSearch(key: SearchKey, message: SearchedMessage): Verdict {
  switch (key.kind) {
    case 'all':
      return true;
    case 'set':
      return message.inSet(key.set);
    case 'flag':
      return message.hasFlag(key.flag) === key.present;
    case 'recent':
      return message.recent === key.present;
    case 'modseq':
      return message.modSeq >= key.atLeast;
    case 'size':
    case 'internaldate':
    case 'within':
      return byFacts(key, message);
    case 'header':
      return byHeader(key.field.toLowerCase(), key.value, message);
    case 'sentdate':
      return bySentDate(key, message);
    case 'body':
      return byBody(key.value, message);
    case 'text':
      return byText(key.value, message);
    case 'not':
      return negated(evaluateSearch(key.key, message));
    case 'or':
      return either(key.left, key.right, message);
    case 'and':
      return all(key.keys, message);
  }
}

const negated = (verdict: Verdict): Verdict => (verdict === undefined ? undefined : !verdict);

function either(left: SearchKey, right: SearchKey, message: SearchedMessage): Verdict {
  const first = evaluateSearch(left, message);
  if (first === true) return true;
  const second = evaluateSearch(right, message);
  if (second === true) return true;
  return first === false && second === false ? false : undefined;
}

function all(keys: readonly SearchKey[], message: SearchedMessage): Verdict {
  let verdict: Verdict = true;
  for (const key of keys) {
    const next = evaluateSearch(key, message);
    if (next === false) return false;
    if (next === undefined) verdict = undefined;
  }
  return verdict;
}

type FactsKey = Extract<SearchKey, { kind: 'size' | 'internaldate' | 'within' }>;

function byFacts(key: FactsKey, { facts, now }: SearchedMessage): Verdict {
  if (facts === undefined) return undefined;
  switch (key.kind) {
    case 'size':
      return key.is === 'larger' ? facts.size > key.octets : facts.size < key.octets;
    case 'internaldate':
      // INTERNALDATE is told in UTC, so its day is that of UTC.
      return byDay(key.is, Math.floor(facts.internalDate / msPerDay), key.day);
    case 'within': {
      const edge = now - key.seconds * 1_000;
      return key.is === 'older' ? facts.internalDate <= edge : facts.internalDate >= edge;
    }
  }
}

function byDay(is: 'before' | 'on' | 'since', day: number, wanted: number): boolean {
  if (is === 'on') return day === wanted;
  return is === 'before' ? day < wanted : day >= wanted;
}

function byHeader(name: string, value: string, { metadata, body }: SearchedMessage): Verdict {
  if (metadata === undefined) return undefined;
  const needle = foldHeader(value);
  if (usualFields.has(name)) {
    if (usualHaystack(metadata).has(name, needle)) return true;
    if (cellIsComplete(metadata)) return false;
  }
  return body === undefined ? undefined : fullHaystack(body, metadata.structure).has(name, needle);
}

function bySentDate(
  key: Extract<SearchKey, { kind: 'sentdate' }>,
  { metadata, body }: SearchedMessage,
): Verdict {
  if (metadata === undefined) return undefined;
  let day = usualHaystack(metadata).sentDay;
  if (day === null && !cellIsComplete(metadata)) {
    if (body === undefined) return undefined;
    day = fullHaystack(body, metadata.structure).sentDay;
  }
  return day !== null && byDay(key.is, day, key.day);
}

function byBody(value: string, { metadata, body }: SearchedMessage): Verdict {
  if (value === '') return true;
  if (metadata === undefined || body === undefined) return undefined;
  return bodyHaystack(body, metadata.structure).has(fold(value));
}

function byText(value: string, message: SearchedMessage): Verdict {
  if (value === '') return true;
  const { metadata, body } = message;
  if (metadata === undefined) return undefined;
  const needle = foldHeader(value);
  // A hit in the usual fields spares the body.
  if (usualHaystack(metadata).hasAnywhere(needle)) return true;
  if (body === undefined) return undefined;
  const { structure } = metadata;
  return (
    fullHaystack(body, structure).hasAnywhere(needle) ||
    bodyHaystack(body, structure).has(fold(value)) ||
    partHeaderHaystack(body, structure).has(needle)
  );
}
