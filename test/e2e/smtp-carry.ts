// What SMTP and IMAP cannot carry at all, as rules.

/** A message as the tests hand it over: the bytes and whether SMTP can carry them unchanged. */
export interface Carried {
  readonly file: string;
  readonly bytes: Buffer;
  readonly bySmtp: boolean;
}

/**
 * RFC 5321 §2.3.7 and §4.1.1.4: lines end with CRLF and nothing else does, the last one included. A NUL
 * is not among what 8BITMIME (RFC 6152 §2) allows. Lines longer than 1,000 octets are against the RFC
 * too, but every server takes them, and so must an archive.
 */
export function smtpCarries(bytes: Buffer): boolean {
  const text = bytes.toString('latin1');
  return !/\0|\r(?!\n)|(?<!\r)\n/.test(text) && text.endsWith('\r\n');
}

/** RFC 3502 §6.3.11: a literal of no octets says that there is nothing to append. */
export function appendCarries({ bytes }: Carried): boolean {
  return bytes.length > 0;
}
