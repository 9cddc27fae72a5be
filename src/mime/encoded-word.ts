// Header text for people: encoded words (RFC 2047, language suffix of RFC 2231 §5) with the leniencies
// that real mail needs: any place in the text, spaces inside, characters split over two words, missing
// padding. Octets outside encoded words are UTF-8 if they are valid, else the caller's fallback.
import { decodeCharset, decodeUnlabelled } from './charset.ts';
import { decodeBase64, hexDigit } from './transfer-encoding.ts';

interface EncodedWord {
  readonly start: number;
  readonly end: number;
  readonly charset: string;
  readonly bytes: Uint8Array;
}

const charsetCharsMax = 60;

/**
 * Text of an unfolded header value given as latin1. `fallback` is the charset of bare 8-bit octets
 * that are not UTF-8. Never throws; linear in the length.
 */
export function decodeHeaderText(value: string, fallback: string | null = null): string {
  if (!value.includes('=?')) return decodeBare(value, fallback);
  let out = '';
  let done = 0;
  let run: EncodedWord[] = [];
  const flush = (): void => {
    out += decodeRun(run);
    run = [];
  };
  for (const word of encodedWords(value)) {
    const between = value.slice(done, word.start);
    // White space between two encoded words is not text (RFC 2047 §6.2).
    if (run.length === 0 || between.trim() !== '') {
      flush();
      out += decodeBare(between, fallback);
    }
    run.push(word);
    done = word.end;
  }
  flush();
  return out + decodeBare(value.slice(done), fallback);
}

/** Words next to each other in one charset are joined before decoding: some split a character. */
function decodeRun(run: readonly EncodedWord[]): string {
  let out = '';
  for (let i = 0; i < run.length;) {
    const charset = run[i]?.charset ?? '';
    const pieces: Uint8Array[] = [];
    while (i < run.length && run[i]?.charset === charset) {
      const bytes = run[i]?.bytes;
      if (bytes !== undefined) pieces.push(bytes);
      i += 1;
    }
    // Stateful charsets begin every word in ASCII; joined words would be read in a wrong state.
    out +=
      charset.startsWith('iso-2022') || charset.includes('utf-7')
        ? pieces.map((piece) => decodeCharset(piece, charset)).join('')
        : decodeCharset(Buffer.concat(pieces), charset);
  }
  return out;
}

function* encodedWords(value: string): Generator<EncodedWord> {
  /** The first "?=" at or after the place in question; found once, so that the scan stays linear. */
  let closing = -2;
  for (let at = value.indexOf('=?'); at >= 0;) {
    const language = value.indexOf('?', at + 2);
    const text = language + 3;
    const encoding = value.charAt(language + 1).toLowerCase();
    const named = language > at + 2 && language - at - 2 <= charsetCharsMax;
    if (!named || value.charAt(language + 2) !== '?' || (encoding !== 'b' && encoding !== 'q')) {
      if (language < 0) return;
      at = value.indexOf('=?', at + 2);
      continue;
    }
    if (closing !== -1 && closing < text) closing = value.indexOf('?=', text);
    if (closing < 0) return;
    const charset =
      value
        .slice(at + 2, language)
        .split('*', 1)[0]
        ?.toLowerCase() ?? '';
    const coded = value.slice(text, closing);
    const bytes = encoding === 'b' ? decodeBase64(Buffer.from(coded, 'latin1')) : decodeQ(coded);
    yield { start: at, end: closing + 2, charset, bytes };
    at = value.indexOf('=?', closing + 2);
  }
}

/** The "Q" encoding (RFC 2047 §4.2). */
function decodeQ(coded: string): Uint8Array {
  const out = Buffer.allocUnsafe(coded.length);
  let length = 0;
  for (let i = 0; i < coded.length; i += 1) {
    const code = coded.charCodeAt(i);
    let byte = code === 95 ? 32 : code;
    if (code === 61) {
      const high = hexDigit(coded.charCodeAt(i + 1));
      const low = hexDigit(coded.charCodeAt(i + 2));
      if (high >= 0 && low >= 0) {
        byte = high * 16 + low;
        i += 2;
      }
    }
    out[length] = byte;
    length += 1;
  }
  return out.subarray(0, length);
}

function decodeBare(text: string, fallback: string | null): string {
  for (let i = 0; i < text.length; i += 1) {
    if (text.charCodeAt(i) > 127) return decodeUnlabelled(Buffer.from(text, 'latin1'), fallback);
  }
  return text;
}
