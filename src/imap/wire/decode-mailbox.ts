// Mailbox names (RFC 9051 §5.1, RFC 3501 §5.1.3): INBOX in any case, modified UTF-7 in rev1, UTF-8 in
// rev2 and UTF8=ACCEPT. A name that is not right UTF-7 is taken as it stands, so that a client
// finds what it sees; 8-bit names are taken as UTF-8 in every mode.
import { type Decoder, latin1, utf8 } from './decoder.ts';
import { isListChar } from './char-class.ts';
import { decodeModifiedUtf7 } from './modified-utf7.ts';

/** Longest name in octets on the wire. */
const nameBytesMax = 4096;

/** A name in Unicode, `INBOX` in upper case. The hierarchy separator is not looked at. */
export function expectMailbox(dec: Decoder): string {
  return foldInbox(decodeName(dec, dec.expectAstring('expected a mailbox name')));
}

/** A LIST pattern in Unicode, with `*` and `%` left in. */
export function expectListPattern(dec: Decoder): string {
  const bare = dec.run((byte) => isListChar(byte) || byte >= 0x80);
  const bytes =
    bare === null ? dec.expectString('expected a pattern') : Buffer.from(bare, 'latin1');
  return decodeName(dec, bytes);
}

function decodeName(dec: Decoder, bytes: Uint8Array): string {
  if (bytes.length > nameBytesMax) throw dec.fail('the mailbox name is too long');
  if (bytes.some((b) => b < 0x20 || b === 0x7f)) throw dec.fail('control in a mailbox name');
  if (dec.mode.utf8 || bytes.some((b) => b >= 0x80)) return utf8(bytes).normalize('NFC');
  const text = latin1(bytes);
  return decodeModifiedUtf7(text) ?? text;
}

/** `inbox` and `Inbox/a` to `INBOX` and `INBOX/a` (RFC 9051 §5.1). */
function foldInbox(name: string): string {
  return /^inbox(?=\/|$)/i.test(name) ? `INBOX${name.slice(5)}` : name;
}
