// The header fields that clients ask for and rules look at: their raw lines go into the sealed
// metadata cell of a record, so that lists and searches read no body (architecture §3).
import { FieldNames } from './field-names.ts';
import { headerLines } from './header.ts';
import type { ParsedMessage } from './part.ts';

/**
 * Version of the set. Absence in a cell means absence in the message only for the set that the cell
 * was made with: a field may be added only together with a new version that the cell carries.
 */
export const usualFieldsVersion = 1;

/**
 * Lower case. What list views of Thunderbird, Apple Mail, Outlook, K-9, Roundcube and mutt ask for;
 * most are absent in most mail, so that a cell stays small. Trace fields are left out for their size.
 */
export const usualFields: ReadonlySet<string> = new Set([
  'auto-submitted',
  'bcc',
  'cc',
  'chat-version',
  'content-description',
  'content-disposition',
  'content-language',
  'content-transfer-encoding',
  'content-type',
  'date',
  'delivered-to',
  'disposition-notification-to',
  'followup-to',
  'from',
  'importance',
  'in-reply-to',
  'lines',
  'list-id',
  'list-post',
  'list-subscribe',
  'list-unsubscribe',
  'mail-followup-to',
  'mail-reply-to',
  'message-id',
  'mime-version',
  'newsgroups',
  'precedence',
  'priority',
  'references',
  'reply-to',
  'return-path',
  'sender',
  'subject',
  'to',
  'x-k9mail-identity',
  'x-label',
  'x-ms-has-attach',
  'x-original-to',
  'x-priority',
  'x-uniform-type-identifier',
  'x-universally-unique-identifier',
]);

const usualNames = new FieldNames(usualFields);

/** The raw lines of the usual fields in their order, with line ends, as latin1. */
export const extractUsualHeaderLines = (parsed: Pick<ParsedMessage, 'header'>): string =>
  headerLines(parsed.header, usualNames).join('');
