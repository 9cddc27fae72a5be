// flag, flag-list, flag-perm (RFC 9051 §9). System flags come out in their one spelling; keywords as
// written, since their case is the client's.
import type { Decoder } from './decoder.ts';

const systemFlags = ['\\Answered', '\\Flagged', '\\Deleted', '\\Seen', '\\Draft', '\\Recent'];
const bySpelling = new Map(systemFlags.map((flag) => [flag.toLowerCase(), flag]));

/** Flags in one list, and octets in one keyword. */
const flagsMax = 256;
const keywordBytesMax = 255;

/** A flag that a client may set: system flag or keyword, never `\Recent` or `\*`. */
export function expectFlag(dec: Decoder): string {
  const system = dec.special('\\');
  const name = dec.expectAtom('expected a flag');
  if (name.length > keywordBytesMax) throw dec.fail('the keyword is too long');
  if (!system) return name;
  const flag = bySpelling.get(`\\${name.toLowerCase()}`);
  if (flag === undefined) throw dec.fail('unknown system flag');
  // Some clients hand back the \Recent they were shown; it is dropped, not refused.
  return flag;
}

/** A flag list in parentheses without doubles and without `\Recent`; null if there is none. */
export function flagList(dec: Decoder): string[] | null {
  const flags = dec.list(() => expectFlag(dec));
  return flags === null ? null : settable(dec, flags);
}

/** flag-list, or flags by spaces, as STORE takes them. */
export function expectStoreFlags(dec: Decoder): string[] {
  const listed = flagList(dec);
  if (listed !== null) return listed;
  const out = [expectFlag(dec)];
  while (dec.sp()) out.push(expectFlag(dec));
  return settable(dec, out);
}

function settable(dec: Decoder, flags: readonly string[]): string[] {
  if (flags.length > flagsMax) throw dec.fail('too many flags');
  return [...new Set(flags)].filter((flag) => flag !== '\\Recent');
}
