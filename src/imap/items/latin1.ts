// Text that came from headers holds one character an octet; on the wire it is those octets again.

/** The octets of latin1 text. */
export const octetsOf = (text: string): Buffer => Buffer.from(text, 'latin1');

/** As `octetsOf`; null stays null. */
export const octetsOrNull = (text: string | null): Buffer | null =>
  text === null ? null : octetsOf(text);
