// What a part's own header says about its body: the Content-* fields (RFC 2045, 2183, 1864, 3282,
// 2557). The first field of a name counts; an unreadable Content-Type is text/plain (RFC 2045 §5.2).
import { parseParameterised } from './field-parameters.ts';
import { FieldNames } from './field-names.ts';
import { FieldReader, fieldValue } from './header.ts';
import type { Disposition, EnvelopeFields, Parameters } from './part.ts';

export interface ContentFields {
  readonly type: string;
  readonly subtype: string;
  readonly params: Parameters;
  readonly encoding: string;
  readonly disposition: Disposition | null;
  readonly id: string | null;
  readonly description: string | null;
  readonly md5: string | null;
  readonly language: readonly string[];
  readonly location: string | null;
}

const token = /^[^\x00-\x20()<>@,;:\\"/[\]?=\x7f]+$/u;
const noParams: Parameters = [];
const asciiParams: Parameters = [['charset', 'us-ascii']];
const noLanguage: readonly string[] = [];

type Values = ReadonlyMap<string, readonly string[]>;

const contentNames = new FieldNames([
  'content-type',
  'content-transfer-encoding',
  'content-disposition',
  'content-id',
  'content-description',
  'content-md5',
  'content-language',
  'content-location',
]);
const envelopeNames = new FieldNames([
  'date',
  'subject',
  'from',
  'sender',
  'reply-to',
  'to',
  'cc',
  'bcc',
  'in-reply-to',
  'message-id',
]);

/** Addresses that repeat beyond this are left out of an envelope. */
const valuesMax = 100;

function collect(header: string, names: FieldNames): Values {
  const values = new Map<string, string[]>();
  const reader = new FieldReader(header);
  while (reader.next()) {
    const name = names.find(header, reader.nameStart, reader.nameEnd);
    if (name === undefined) continue;
    const list = values.get(name);
    if (list === undefined) values.set(name, [fieldValue(header, reader)]);
    else if (list.length < valuesMax) list.push(fieldValue(header, reader));
  }
  return values;
}

/** Reads the Content-* fields of a header block; `inDigest` changes the default (RFC 2046 §5.1.5). */
export function contentFields(header: string, inDigest: boolean): ContentFields {
  const values = collect(header, contentNames);
  const first = (name: string): string | null => values.get(name)?.[0] ?? null;
  return {
    ...contentType(first('content-type'), inDigest),
    encoding: encodingOf(first('content-transfer-encoding')),
    disposition: dispositionOf(first('content-disposition')),
    id: first('content-id'),
    description: first('content-description'),
    md5: first('content-md5'),
    language: languages(first('content-language')),
    location: first('content-location'),
  };
}

function contentType(
  value: string | null,
  inDigest: boolean,
): Pick<ContentFields, 'type' | 'subtype' | 'params'> {
  if (value === null) {
    if (inDigest) return { type: 'message', subtype: 'rfc822', params: noParams };
    return { type: 'text', subtype: 'plain', params: asciiParams };
  }
  const { main, params } = parseParameterised(value);
  const slash = main.indexOf('/');
  const type = main.slice(0, Math.max(slash, 0)).toLowerCase();
  const subtype = main.slice(slash + 1).toLowerCase();
  if (!token.test(type) || !token.test(subtype)) {
    return { type: 'text', subtype: 'plain', params: asciiParams };
  }
  // Without a boundary no multipart can be read: unreadable, hence plain text.
  if (type === 'multipart' && !params.some(([name, text]) => name === 'boundary' && text !== '')) {
    return { type: 'text', subtype: 'plain', params: asciiParams };
  }
  return { type, subtype, params };
}

function encodingOf(value: string | null): string {
  if (value === null) return '7bit';
  const { main } = parseParameterised(value);
  const name = main.replaceAll('"', '').toLowerCase();
  // `quoted printable` and `quoted_printable` occur; nothing else can be meant.
  if (name.startsWith('quoted')) return 'quoted-printable';
  return token.test(name) ? name : '7bit';
}

function dispositionOf(value: string | null): Disposition | null {
  if (value === null) return null;
  const { main, params } = parseParameterised(value);
  const type = main.replaceAll('"', '').toLowerCase();
  if (type === '' && params.length === 0) return null;
  return { type: token.test(type) ? type : 'attachment', params };
}

function languages(value: string | null): readonly string[] {
  if (value === null) return noLanguage;
  return value
    .split(',', valuesMax)
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '');
}

/**
 * The envelope values of a header block. Repeated address fields are joined, since hiding a second
 * `From` would hide it from a reviewer; of every other field the first counts.
 */
export function envelopeFields(header: string): EnvelopeFields {
  const values = collect(header, envelopeNames);
  const first = (name: string): string | null => values.get(name)?.[0] ?? null;
  const joined = (name: string): string | null => values.get(name)?.join(', ') ?? null;
  return {
    date: first('date'),
    subject: first('subject'),
    from: joined('from'),
    sender: joined('sender'),
    replyTo: joined('reply-to'),
    to: joined('to'),
    cc: joined('cc'),
    bcc: joined('bcc'),
    inReplyTo: first('in-reply-to'),
    messageId: first('message-id'),
  };
}
