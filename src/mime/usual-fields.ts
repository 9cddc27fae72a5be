// The header fields that clients ask for and rules look at: their raw lines go into the sealed
// metadata cell of a record, so that lists and searches read no body (architecture §3).
import { headerLines } from './header.ts';
import type { ParsedMessage } from './part.ts';

/** Lower case. A change here changes what older cells lack; see docs/formats/cell.md. */
export const usualFields: ReadonlySet<string> = new Set([
  'bcc',
  'cc',
  'content-disposition',
  'content-transfer-encoding',
  'content-type',
  'date',
  'delivered-to',
  'from',
  'importance',
  'in-reply-to',
  'list-id',
  'message-id',
  'mime-version',
  'priority',
  'references',
  'reply-to',
  'return-path',
  'sender',
  'subject',
  'to',
  'x-priority',
]);

/** The raw lines of the usual fields in their order, with line ends, as latin1. */
export const extractUsualHeaderLines = (parsed: Pick<ParsedMessage, 'header'>): string =>
  headerLines(parsed.header, usualFields).join('');
