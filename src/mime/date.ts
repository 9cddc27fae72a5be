// Date fields (RFC 5322 §3.3 with the obsolete zones of §4.3), and the two forms that old programs
// write: asctime and ISO 8601. The sender's clock proves nothing; it sorts and searches.

export interface SentDate {
  /** Milliseconds since 1970 UTC. A missing or unknown zone counts as +0000 (RFC 5322 §4.3). */
  readonly unixMs: number;
  /** The day as the sender wrote it, without time and zone, as days since 1970: SEARCH SENT*. */
  readonly day: number;
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const zones: Readonly<Record<string, number>> = {
  ut: 0,
  utc: 0,
  gmt: 0,
  z: 0,
  wet: 0,
  est: -300,
  edt: -240,
  cst: -360,
  cdt: -300,
  mst: -420,
  mdt: -360,
  pst: -480,
  pdt: -420,
  bst: 60,
  cet: 60,
  met: 60,
  mez: 60,
  cest: 120,
  mest: 120,
  mesz: 120,
  eet: 120,
  eest: 180,
  msk: 180,
  jst: 540,
  kst: 540,
};
const dateCharsMax = 200;
const msPerDay = 86_400_000;

const internet =
  /^(\d{1,2})[ -]+([a-z]{3})[a-z]*[ .,-]+(\d{2,5})(?:[ ,]+(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2})(?:\.\d+)?)?)?(?:\s*(am|pm)\b)?\s*(.*)$/u;
const asctime =
  /^([a-z]{3})[a-z]* +(\d{1,2}),? +(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([a-z]{1,5})?\s+(\d{4})\s*(.*)$/u;
const iso = /^(\d{4})-(\d{2})-(\d{2})(?:[t ](\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?)?\s*(.*)$/u;

interface Fields {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly zone: string;
}

/** Parses an unfolded Date value; null if it holds no date. */
export function parseDate(value: string): SentDate | null {
  const text = simplify(value.slice(0, dateCharsMax));
  const fields = fromInternet(text) ?? fromAsctime(text) ?? fromIso(text);
  if (fields === null) return null;
  const { year, month, day, hour, minute, second } = fields;
  if (month < 0 || day < 1 || day > 31 || hour > 24 || minute > 59 || second > 60) return null;
  if (year < 1 || year > 9999) return null;
  const midnight = utc(year, month, day);
  const time = ((hour * 60 + minute) * 60 + second) * 1000;
  return { unixMs: midnight + time - zoneMinutes(fields.zone) * 60_000, day: midnight / msPerDay };
}

/** Lower case, without comments and day of week, with single spaces. */
function simplify(value: string): string {
  return value
    .replace(/\([^()]*\)/gu, ' ')
    .toLowerCase()
    .replace(/\s+/gu, ' ')
    .replace(/ ?: ?/gu, ':')
    .trim()
    .replace(/^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[,.]? ?/u, '')
    .replace(/^, ?/u, '');
}

function fromInternet(text: string): Fields | null {
  const match = internet.exec(text);
  if (match === null) return null;
  const [, day, month, year, hour, minute, second, half, zone] = match;
  return {
    year: fullYear(year ?? ''),
    month: months.indexOf(month ?? ''),
    day: Number(day),
    hour: hourOf(Number(hour ?? 0), half),
    minute: Number(minute ?? 0),
    second: Number(second ?? 0),
    zone: zone ?? '',
  };
}

function fromAsctime(text: string): Fields | null {
  const match = asctime.exec(text);
  if (match === null) return null;
  const [, month, day, hour, minute, second, zone, year, after] = match;
  return {
    year: Number(year),
    month: months.indexOf(month ?? ''),
    day: Number(day),
    hour: Number(hour),
    minute: Number(minute),
    second: Number(second ?? 0),
    zone: zone ?? after ?? '',
  };
}

function fromIso(text: string): Fields | null {
  const match = iso.exec(text);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second, zone] = match;
  return {
    year: Number(year),
    month: Number(month) <= 12 ? Number(month) - 1 : -1,
    day: Number(day),
    hour: Number(hour ?? 0),
    minute: Number(minute ?? 0),
    second: Number(second ?? 0),
    zone: zone ?? '',
  };
}

/** RFC 5322 §4.3: two digits 00–49 are 2000–2049, 50–99 and three digits are added to 1900. */
function fullYear(digits: string): number {
  const year = Number(digits);
  if (digits.length === 2) return year < 50 ? 2000 + year : 1900 + year;
  return digits.length === 3 ? 1900 + year : year;
}

const hourOf = (hour: number, half: string | undefined): number => {
  if (half === 'pm' && hour < 12) return hour + 12;
  return half === 'am' && hour === 12 ? 0 : hour;
};

/** Minutes east of UTC. Military letters other than Z are unreliable and count as 0 (§4.3). */
function zoneMinutes(zone: string): number {
  const match = /^(?:gmt|utc?)?([+-])(\d{2}):?(\d{2})?/u.exec(zone);
  if (match !== null) {
    const minutes = Number(match[2]) * 60 + Number(match[3] ?? 0);
    return match[1] === '-' ? -minutes : minutes;
  }
  const name = /^[a-z]+/u.exec(zone)?.[0] ?? '';
  return Object.hasOwn(zones, name) ? (zones[name] ?? 0) : 0;
}

/** `Date.UTC` maps years 0–99 to 1900–1999; this does not. */
function utc(year: number, month: number, day: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month, day);
  return date.getTime();
}
