// The ENVELOPE of a message (RFC 9051 §7.5.2) from its header values.
import { parseAddressList, type Address } from './address.ts';
import type { EnvelopeFields } from './part.ts';

export interface Envelope {
  readonly date: string | null;
  readonly subject: string | null;
  readonly from: readonly Address[];
  readonly sender: readonly Address[];
  readonly replyTo: readonly Address[];
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly bcc: readonly Address[];
  readonly inReplyTo: string | null;
  readonly messageId: string | null;
}

const addresses = (value: string | null): readonly Address[] =>
  value === null ? [] : parseAddressList(value);

/** Absent or empty Sender and Reply-To are those of From, as the RFC demands of the server. */
export function envelopeOf(fields: EnvelopeFields): Envelope {
  const from = addresses(fields.from);
  const orFrom = (value: string | null): readonly Address[] => {
    const list = addresses(value);
    return list.length > 0 ? list : from;
  };
  return {
    date: fields.date,
    subject: fields.subject,
    from,
    sender: orFrom(fields.sender),
    replyTo: orFrom(fields.replyTo),
    to: addresses(fields.to),
    cc: addresses(fields.cc),
    bcc: addresses(fields.bcc),
    inReplyTo: fields.inReplyTo,
    messageId: fields.messageId,
  };
}
