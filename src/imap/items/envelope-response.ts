// ENVELOPE (RFC 9051 §7.5.2, grammar `envelope` in §9).
import type { Address } from '../../mime/address.ts';
import type { Envelope } from '../../mime/envelope.ts';
import type { Encoder } from '../wire/encoder.ts';
import { octetsOrNull } from './latin1.ts';

/** Writes the parenthesised envelope; every string is quoted or a literal, never raw. */
export function writeEnvelope(enc: Encoder, envelope: Envelope): void {
  enc.raw('(').nstring(octetsOrNull(envelope.date));
  enc.sp().nstring(octetsOrNull(envelope.subject));
  for (const list of [
    envelope.from,
    envelope.sender,
    envelope.replyTo,
    envelope.to,
    envelope.cc,
    envelope.bcc,
  ]) {
    enc.sp();
    writeAddresses(enc, list);
  }
  enc.sp().nstring(octetsOrNull(envelope.inReplyTo));
  enc.sp().nstring(octetsOrNull(envelope.messageId)).raw(')');
}

/** `"(" 1*address ")"` without spaces between addresses, or NIL. */
function writeAddresses(enc: Encoder, list: readonly Address[]): void {
  if (list.length === 0) {
    enc.nil();
    return;
  }
  enc.raw('(');
  for (const { name, adl, mailbox, host } of list) {
    enc.raw('(').nstring(octetsOrNull(name));
    for (const text of [adl, mailbox, host]) enc.sp().nstring(octetsOrNull(text));
    enc.raw(')');
  }
  enc.raw(')');
}
