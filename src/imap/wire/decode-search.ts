// Arguments of SEARCH (RFC 9051 §6.4.4, RFC 3501 §6.4.4; RFC 4731, RFC 5182, RFC 5032, RFC 7162 §3.1.5).
import type { Decoder } from './decoder.ts';
import { latin1 } from './decoder.ts';
import { expectDate } from './decode-date.ts';
import { expectNumSet, startsNumSet } from './decode-set.ts';
import { ImapError } from './imap-error.ts';
import type { SearchCommand, SearchKey, SearchReturn } from './search-key.ts';

const depthMax = 64;
const keysMax = 4096;

interface Context {
  readonly dec: Decoder;
  readonly text: (bytes: Uint8Array) => string;
  keysLeft: number;
  usesModSeq: boolean;
}

type KeyReader = (context: Context, depth: number) => SearchKey;

const flagKey =
  (flag: string, present: boolean): KeyReader =>
  () => ({ kind: 'flag', flag, present });
const headerKey =
  (field: string): KeyReader =>
  (c) => ({ kind: 'header', field, value: spacedText(c) });
const internalDateKey =
  (is: 'before' | 'on' | 'since'): KeyReader =>
  (c) => ({ kind: 'internaldate', is, day: spaced(c, () => expectDate(c.dec)) });
const sentDateKey =
  (is: 'before' | 'on' | 'since'): KeyReader =>
  (c) => ({ kind: 'sentdate', is, day: spaced(c, () => expectDate(c.dec)) });
const sizeKey =
  (is: 'larger' | 'smaller'): KeyReader =>
  (c) => ({ kind: 'size', is, octets: spaced(c, () => c.dec.expectNumber64()) });
const withinKey =
  (is: 'older' | 'younger'): KeyReader =>
  (c) => ({ kind: 'within', is, seconds: spaced(c, () => c.dec.expectNzNumber()) });
const keywordKey =
  (present: boolean): KeyReader =>
  (c) => ({ kind: 'flag', flag: spaced(c, () => c.dec.expectAtom('expected a keyword')), present });

const readers: ReadonlyMap<string, KeyReader> = new Map<string, KeyReader>([
  ['ALL', () => ({ kind: 'all' })],
  ['ANSWERED', flagKey('\\Answered', true)],
  ['BCC', headerKey('Bcc')],
  ['BEFORE', internalDateKey('before')],
  ['BODY', (c) => ({ kind: 'body', value: spacedText(c) })],
  ['CC', headerKey('Cc')],
  ['DELETED', flagKey('\\Deleted', true)],
  ['DRAFT', flagKey('\\Draft', true)],
  ['FLAGGED', flagKey('\\Flagged', true)],
  ['FROM', headerKey('From')],
  ['HEADER', (c) => expectHeaderKey(c)],
  ['KEYWORD', keywordKey(true)],
  ['LARGER', sizeKey('larger')],
  ['MODSEQ', (c) => expectModSeqKey(c)],
  [
    'NEW',
    () => ({
      kind: 'and',
      keys: [
        { kind: 'recent', present: true },
        { kind: 'flag', flag: '\\Seen', present: false },
      ],
    }),
  ],
  ['NOT', (c, depth) => ({ kind: 'not', key: spaced(c, () => expectKey(c, depth + 1)) })],
  ['OLD', () => ({ kind: 'recent', present: false })],
  ['OLDER', withinKey('older')],
  ['ON', internalDateKey('on')],
  ['OR', (c, depth) => expectOr(c, depth)],
  ['RECENT', () => ({ kind: 'recent', present: true })],
  ['SEEN', flagKey('\\Seen', true)],
  ['SENTBEFORE', sentDateKey('before')],
  ['SENTON', sentDateKey('on')],
  ['SENTSINCE', sentDateKey('since')],
  ['SINCE', internalDateKey('since')],
  ['SMALLER', sizeKey('smaller')],
  ['SUBJECT', headerKey('Subject')],
  ['TEXT', (c) => ({ kind: 'text', value: spacedText(c) })],
  ['TO', headerKey('To')],
  ['UID', (c) => ({ kind: 'set', set: spaced(c, () => expectNumSet(c.dec, true)) })],
  ['UNANSWERED', flagKey('\\Answered', false)],
  ['UNDELETED', flagKey('\\Deleted', false)],
  ['UNDRAFT', flagKey('\\Draft', false)],
  ['UNFLAGGED', flagKey('\\Flagged', false)],
  ['UNKEYWORD', keywordKey(false)],
  ['UNSEEN', flagKey('\\Seen', false)],
  ['YOUNGER', withinKey('younger')],
]);

/**
 * Everything after `SEARCH` and its space. Throws `ImapError` NO [BADCHARSET] for a charset that
 * cannot be read.
 */
export function expectSearchArguments(dec: Decoder): SearchCommand {
  const returns = searchReturn(dec);
  if (returns !== null) dec.expectSp();
  let charset = 'UTF-8';
  if (dec.keyword('CHARSET')) {
    dec.expectSp();
    charset = latin1(dec.expectAstring('expected a charset'));
    dec.expectSp();
  }
  const context: Context = { dec, text: textOf(charset), keysLeft: keysMax, usesModSeq: false };
  const keys = [expectKey(context, 0)];
  while (dec.sp()) keys.push(expectKey(context, 0));
  const key: SearchKey = keys.length === 1 && keys[0] ? keys[0] : { kind: 'and', keys };
  return { returns, key, usesModSeq: context.usesModSeq };
}

/** `RETURN (MIN COUNT)`; null if there is none. Empty reads as ALL (RFC 4731 §3.1). */
function searchReturn(dec: Decoder): SearchReturn | null {
  if (!dec.keyword('RETURN')) return null;
  dec.expectSp();
  const names = dec.expectList(() => dec.expectKeyword('expected a result option'));
  const known = ['MIN', 'MAX', 'ALL', 'COUNT', 'SAVE'];
  if (names.some((name) => !known.includes(name))) throw dec.fail('unknown result option');
  return {
    min: names.includes('MIN'),
    max: names.includes('MAX'),
    all: names.includes('ALL') || names.length === 0,
    count: names.includes('COUNT'),
    save: names.includes('SAVE'),
  };
}

function expectKey(c: Context, depth: number): SearchKey {
  if (depth > depthMax) throw c.dec.fail('the search is nested too deeply');
  c.keysLeft -= 1;
  if (c.keysLeft < 0) throw c.dec.fail('too many search keys');
  const group = c.dec.list(() => expectKey(c, depth + 1));
  if (group !== null) {
    if (group.length === 0) throw c.dec.fail('expected a search key');
    return group.length === 1 && group[0] ? group[0] : { kind: 'and', keys: group };
  }
  if (startsNumSet(c.dec.peek())) return { kind: 'set', set: expectNumSet(c.dec, false) };
  const reader = readers.get(c.dec.expectKeyword('expected a search key'));
  if (reader === undefined) throw c.dec.fail('unknown search key');
  return reader(c, depth);
}

function expectHeaderKey(c: Context): SearchKey {
  const field = spaced(c, () => latin1(c.dec.expectAstring('expected a field name')));
  return { kind: 'header', field, value: spacedText(c) };
}

function expectOr(c: Context, depth: number): SearchKey {
  const left = spaced(c, () => expectKey(c, depth + 1));
  return { kind: 'or', left, right: spaced(c, () => expectKey(c, depth + 1)) };
}

/** `MODSEQ ["/flags/\\Seen" all] 620`: entries are read; per-flag mod-sequences do not exist here. */
function expectModSeqKey(c: Context): SearchKey {
  c.usesModSeq = true;
  c.dec.expectSp();
  if (c.dec.quoted() !== null) {
    c.dec.expectSp();
    const type = c.dec.expectKeyword('expected an entry type');
    if (!['PRIV', 'SHARED', 'ALL'].includes(type)) throw c.dec.fail('unknown entry type');
    c.dec.expectSp();
  }
  return { kind: 'modseq', atLeast: c.dec.expectNumber64('expected a mod-sequence') };
}

function spaced<T>(c: Context, read: () => T): T {
  c.dec.expectSp();
  return read();
}

function spacedText(c: Context): string {
  return spaced(c, () => c.text(c.dec.expectAstring('expected a search text')));
}

/** A reader for the charset, or NO [BADCHARSET]. US-ASCII reads as UTF-8, which holds it. */
function textOf(charset: string): (bytes: Uint8Array) => string {
  const label = /^(us-ascii|ascii)$/i.test(charset) ? 'utf-8' : charset;
  try {
    const decoder = new TextDecoder(label);
    return (bytes) => decoder.decode(bytes);
  } catch (error) {
    throw new ImapError('NO', 'BADCHARSET (UTF-8 US-ASCII)', 'Unknown charset', error);
  }
}
