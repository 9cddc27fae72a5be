// date and date-time (RFC 9051 §9). Civil dates become days since 1970-01-01, instants milliseconds.
import type { Decoder } from './decoder.ts';
import { latin1 } from './decoder.ts';
import type { UnixMs } from '../../kernel/time.ts';
import type { CivilDay } from './search-key.ts';

const months = 'JanFebMarAprMayJunJulAugSepOctNovDec';
const dayMs = 86_400_000;

/** `1-Feb-1994`, quoted or not. */
export function expectDate(dec: Decoder): CivilDay {
  const text = dec.peek() === 0x22 ? dec.quoted() : null;
  const date = text === null ? dec.expectAtom('expected a date') : latin1(text);
  const match = /^ ?(\d{1,2})-([A-Za-z]{3})-(\d{4})$/.exec(date);
  const ms = match === null ? null : utcDay(match[1], match[2], match[3]);
  if (ms === null) throw dec.fail('expected a date such as 1-Feb-1994');
  return ms / dayMs;
}

/** A date-time with its zone: the instant, and the zone's minutes east of UTC. */
export interface DateTime {
  readonly at: UnixMs;
  readonly zoneMinutes: number;
}

/** `" 1-Feb-1994 21:52:25 -0800"`; null if no quoted string is next. */
export function dateTime(dec: Decoder): DateTime | null {
  const quoted = dec.quoted();
  if (quoted === null) return null;
  const match = /^([ \d]?\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)$/.exec(
    latin1(quoted),
  );
  const day = match === null ? null : utcDay(match[1]?.trim(), match[2], match[3]);
  if (match === null || day === null) throw dec.fail('expected a date-time');
  const [hour, minute, second] = [Number(match[4]), Number(match[5]), Number(match[6])];
  const [zoneHour, zoneMinute] = [Number(match[8]), Number(match[9])];
  if (hour > 23 || minute > 59 || second > 60 || zoneHour > 23 || zoneMinute > 59) {
    throw dec.fail('expected a date-time');
  }
  const zoneMinutes = (match[7] === '-' ? -1 : 1) * (zoneHour * 60 + zoneMinute);
  const at = day + (hour * 3600 + minute * 60 + second - zoneMinutes * 60) * 1000;
  return { at: at as UnixMs, zoneMinutes: zoneMinutes === 0 ? 0 : zoneMinutes };
}

/** `17-Jul-1996 02:44:25 +0000`, with the day in two columns as the grammar has it. */
export function formatDateTime(at: UnixMs): string {
  const date = new Date(at);
  const two = (n: number): string => String(n).padStart(2, '0');
  const month = months.slice(date.getUTCMonth() * 3, date.getUTCMonth() * 3 + 3);
  const day = String(date.getUTCDate()).padStart(2, ' ');
  const year = String(date.getUTCFullYear()).padStart(4, '0');
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(':');
  return `${day}-${month}-${year} ${time} +0000`;
}

function utcDay(day = '', month = '', year = ''): number | null {
  const name = month.charAt(0).toUpperCase() + month.slice(1).toLowerCase();
  const index = months.indexOf(name);
  if (index < 0 || index % 3 !== 0) return null;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), index / 3, Number(day));
  const same = date.getUTCDate() === Number(day) && date.getUTCMonth() === index / 3;
  return same ? date.getTime() : null;
}
