// STATUS items (RFC 9051 §6.3.11, RFC 3501 §6.3.10, RFC 7162 §3.1.7, RFC 7889), also in LIST RETURN.
import type { Decoder } from './decoder.ts';

const statusItems = [
  'MESSAGES',
  'RECENT',
  'UIDNEXT',
  'UIDVALIDITY',
  'UNSEEN',
  'DELETED',
  'SIZE',
  'HIGHESTMODSEQ',
  'APPENDLIMIT',
] as const;
export type StatusItem = (typeof statusItems)[number];

/** At least one item in parentheses. */
export function expectStatusItems(dec: Decoder): StatusItem[] {
  const items = dec.expectList(() => {
    const name = dec.expectKeyword('expected a status item');
    return statusItems.find((item) => item === name) ?? fail(dec);
  }, 'expected status items');
  if (items.length === 0) throw dec.fail('expected a status item');
  return [...new Set(items)];
}

function fail(dec: Decoder): never {
  throw dec.fail('unknown status item');
}
