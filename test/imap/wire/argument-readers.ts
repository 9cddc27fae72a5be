// All argument readers by name, for tables and for hostile input.
import { Decoder } from '../../../src/imap/wire/decoder.ts';
import { expectAppendHead } from '../../../src/imap/wire/decode-append.ts';
import { dateTime, expectDate } from '../../../src/imap/wire/decode-date.ts';
import { expectFetchArguments } from '../../../src/imap/wire/decode-fetch.ts';
import { expectIdParameters } from '../../../src/imap/wire/decode-id.ts';
import { expectListArguments } from '../../../src/imap/wire/decode-list.ts';
import { expectSearchArguments } from '../../../src/imap/wire/decode-search.ts';
import { expectSelectArguments } from '../../../src/imap/wire/decode-select.ts';
import { expectStatusItems } from '../../../src/imap/wire/decode-status.ts';
import { expectStoreArguments } from '../../../src/imap/wire/decode-store.ts';
import { expectInitialResponse } from '../../../src/imap/wire/decode-base64.ts';
import { wireOf } from './wire-text.ts';

export const readers = {
  fetch: expectFetchArguments,
  search: expectSearchArguments,
  store: expectStoreArguments,
  list: expectListArguments,
  status: expectStatusItems,
  select: expectSelectArguments,
  append: expectAppendHead,
  id: expectIdParameters,
  date: expectDate,
  dateTime,
  base64: expectInitialResponse,
} satisfies Record<string, (dec: Decoder) => unknown>;

/** Reads the whole of `text` as the arguments of one kind. */
export function read(kind: keyof typeof readers, text: string | Uint8Array): unknown {
  const dec = new Decoder(wireOf(text));
  const value = readers[kind](dec);
  dec.expectEnd();
  return value;
}
