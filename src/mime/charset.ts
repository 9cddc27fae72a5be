// Charsets to text: Node's TextDecoder (WHATWG labels, full ICU), the aliases that mail uses, and two
// small decoders of our own for UTF-7 (RFC 2152) and HZ (RFC 1843), which WHATWG left out.

/** Names in mail that WHATWG does not list. */
const aliases: Readonly<Record<string, string>> = {
  utf8mb4: 'utf-8',
  'utf-8-mac': 'utf-8',
  'unicode-1-1-utf-8': 'utf-8',
  ascii7: 'us-ascii',
  ansi: 'windows-1252',
  '8859-1': 'iso-8859-1',
  cp936: 'gbk',
  ms936: 'gbk',
  'windows-936': 'gbk',
  'gb18030-2000': 'gb18030',
  gb_18030: 'gb18030',
  'euc-cn': 'gbk',
  euccn: 'gbk',
  'x-euc-cn': 'gbk',
  cp950: 'big5',
  ms950: 'big5',
  'big5-tw': 'big5',
  cp932: 'shift_jis',
  ms932: 'shift_jis',
  'shift-jis-2004': 'shift_jis',
  'iso-2022-jp-1': 'iso-2022-jp',
  'iso-2022-jp-2': 'iso-2022-jp',
  'iso-2022-jp-ms': 'iso-2022-jp',
  cp50220: 'iso-2022-jp',
  cp949: 'euc-kr',
  uhc: 'euc-kr',
  cp1250: 'windows-1250',
  cp1251: 'windows-1251',
  cp1252: 'windows-1252',
  'cp-1252': 'windows-1252',
  cp1253: 'windows-1253',
  cp1254: 'windows-1254',
  cp1255: 'windows-1255',
  cp1256: 'windows-1256',
  cp1257: 'windows-1257',
  cp1258: 'windows-1258',
  cp874: 'windows-874',
  cp866: 'ibm866',
  'utf-16be': 'utf-16be',
};

type TextReader = (bytes: Uint8Array) => string;

const own: Readonly<Record<string, TextReader>> = {
  'utf-7': decodeUtf7,
  'unicode-1-1-utf-7': decodeUtf7,
  'hz-gb-2312': decodeHz,
  hz: decodeHz,
};

const readers = new Map<string, TextReader | null>();
const readersMax = 500;
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });
const windows1252 = new TextDecoder('windows-1252');
const latin1Reader: TextReader = (bytes) => windows1252.decode(bytes);

/** True if text in `charset` can be read rather than guessed (RFC 9051 BADCHARSET). */
export const knowsCharset = (charset: string): boolean => readerOf(charset) !== null;

/**
 * Text of `bytes` in `charset`; faulty sequences become U+FFFD. Unknown or absent charsets, and
 * US-ASCII that is not: UTF-8 if it is valid, else windows-1252. Never throws.
 */
export function decodeCharset(bytes: Uint8Array, charset: string | null): string {
  const label = charset === null ? '' : normalise(charset);
  if (label === '' || label === 'us-ascii' || label === 'ascii') return decodeUnlabelled(bytes);
  const reader = readerOf(label);
  return reader === null ? decodeUnlabelled(bytes) : reader(bytes);
}

/** UTF-8 if valid, else `fallback`, else windows-1252. */
export function decodeUnlabelled(bytes: Uint8Array, fallback: string | null = null): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    // Not UTF-8: the declared fallback, or the charset that old western mail means.
    const reader = fallback === null ? null : readerOf(fallback);
    return (reader ?? latin1Reader)(bytes);
  }
}

const normalise = (charset: string): string =>
  charset
    .trim()
    .replace(/^["']+|["']+$/gu, '')
    .toLowerCase();

function readerOf(charset: string): TextReader | null {
  const label = normalise(charset);
  const known = readers.get(label);
  if (known !== undefined) return known;
  const reader = makeReader(label);
  // The names come from mail: without a bound the map would grow with hostile input.
  if (readers.size < readersMax) readers.set(label, reader);
  return reader;
}

function makeReader(label: string): TextReader | null {
  if (Object.hasOwn(own, label)) return own[label] ?? null;
  const name = Object.hasOwn(aliases, label) ? aliases[label] : label;
  try {
    const decoder = new TextDecoder(name);
    return (bytes) => decoder.decode(bytes);
  } catch {
    // TextDecoder says "unknown label" by throwing a RangeError; there is no other question to ask.
    return null;
  }
}

/** UTF-7 (RFC 2152): ASCII, and `+` base64 of UTF-16BE `-`. */
export function decodeUtf7(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  return text.replace(/\+([A-Za-z0-9+/]*)-?/gu, (_whole, coded: string) => {
    if (coded === '') return '+';
    const raw = Buffer.from(coded, 'base64');
    return utf16be(raw.subarray(0, raw.length & ~1));
  });
}

function utf16be(raw: Buffer): string {
  return Buffer.from(raw).swap16().toString('utf16le').toWellFormed();
}

/** HZ (RFC 1843): `~{` switches to seven-bit GB 2312, `~}` back. */
export function decodeHz(bytes: Uint8Array): string {
  const out = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  let chinese = false;
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i] ?? 0;
    const next = bytes[i + 1];
    if (byte === 126 && (next === 123 || next === 125)) {
      chinese = next === 123;
      i += 1;
    } else if (byte === 126 && !chinese && (next === 126 || next === 10)) {
      if (next === 126) length = put(out, length, 126);
      i += 1;
    } else {
      if (byte === 10) chinese = false;
      length = put(out, length, chinese && byte > 32 ? byte | 128 : byte);
    }
  }
  return new TextDecoder('gbk').decode(out.subarray(0, length));
}

function put(out: Buffer, at: number, byte: number): number {
  out[at] = byte;
  return at + 1;
}
