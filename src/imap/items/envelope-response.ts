// ENVELOPE (RFC 9051 §7.5.2, grammar `envelope` in §9), one character an octet.
import type { Address } from '../../mime/address.ts';
import type { Envelope } from '../../mime/envelope.ts';
import { nstringText } from '../wire/octet-text.ts';

/** The parenthesised envelope; every string is quoted or a literal, never raw. */
export function envelopeText(envelope: Envelope): string {
  const from = addressesText(envelope.from);
  // Sender and Reply-To are that very list in most mail.
  const orFrom = (list: readonly Address[]): string =>
    list === envelope.from ? from : addressesText(list);
  return `(${[
    nstringText(envelope.date),
    nstringText(envelope.subject),
    from,
    orFrom(envelope.sender),
    orFrom(envelope.replyTo),
    addressesText(envelope.to),
    addressesText(envelope.cc),
    addressesText(envelope.bcc),
    nstringText(envelope.inReplyTo),
    nstringText(envelope.messageId),
  ].join(' ')})`;
}

/** `"(" 1*address ")"` without spaces between addresses, or NIL. */
function addressesText(list: readonly Address[]): string {
  if (list.length === 0) return 'NIL';
  let out = '(';
  for (const { name, adl, mailbox, host } of list) {
    out += `(${nstringText(name)} ${nstringText(adl)} ${nstringText(mailbox)} ${nstringText(host)})`;
  }
  return `${out})`;
}
