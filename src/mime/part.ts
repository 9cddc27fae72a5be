// The part tree: what the archive keeps about a message besides its bytes (RFC 2045, RFC 2046).
// Offsets are octets of the original message, which is never rewritten. Text is latin1: one character
// an octet, so that 8-bit headers survive storage; decode it with encoded-word.ts or parameters.ts.

/** Parameters in their order, names in lower case, values unquoted; RFC 2231 sections are merged. */
export type Parameters = readonly (readonly [name: string, value: string])[];

export interface Disposition {
  /** Lower case, for example `attachment`. */
  readonly type: string;
  readonly params: Parameters;
}

/** The unfolded values of the fields that make an ENVELOPE (RFC 9051 §7.5.2), null where absent. */
export interface EnvelopeFields {
  readonly date: string | null;
  readonly subject: string | null;
  readonly from: string | null;
  readonly sender: string | null;
  readonly replyTo: string | null;
  readonly to: string | null;
  readonly cc: string | null;
  readonly bcc: string | null;
  readonly inReplyTo: string | null;
  readonly messageId: string | null;
}

/** The message inside a `message/rfc822` or `message/global` part. */
export interface EmbeddedMessage {
  readonly envelope: EnvelopeFields;
  readonly root: MimePart;
}

export interface MimePart {
  /** Octet where the header begins; for an embedded message's root, the body of its parent. */
  readonly headerStart: number;
  /** Octet after the empty line that ends the header. */
  readonly bodyStart: number;
  /** Octet after the body; the line end before a delimiter belongs to the delimiter (RFC 2046 §5.1.1). */
  readonly bodyEnd: number;
  /** Line ends inside the body. */
  readonly lines: number;
  /** Lower case. An absent or unreadable Content-Type is text/plain (RFC 2045 §5.2). */
  readonly type: string;
  readonly subtype: string;
  readonly params: Parameters;
  /** Lower case content transfer encoding; `7bit` if absent. */
  readonly encoding: string;
  readonly disposition: Disposition | null;
  readonly id: string | null;
  readonly description: string | null;
  readonly md5: string | null;
  readonly language: readonly string[];
  readonly location: string | null;
  /** Parts of a multipart; empty for every other type and for a multipart without delimiters. */
  readonly children: readonly MimePart[];
  readonly message: EmbeddedMessage | null;
  /** True if a limit or a forbidden encoding keeps this container closed: treat it as a file. */
  readonly opaque: boolean;
}

/** What is stored and needs no second parse: docs/formats/structure.md. */
export interface MessageStructure {
  /** Octets of the whole message: RFC822.SIZE. */
  readonly size: number;
  /** Line ends of the whole message. */
  readonly lines: number;
  readonly root: MimePart;
}

export interface ParsedMessage extends MessageStructure {
  /** The top header as latin1, with the empty line that ends it if there is one. */
  readonly header: string;
  /** True if the header bytes went over the limit: `header` is then only their beginning. */
  readonly headerTruncated: boolean;
  /** The kept header of every part, as latin1. */
  readonly headers: ReadonlyMap<MimePart, string>;
}

/** All parts in the order of their bytes, containers before what they hold. */
export function* walkParts(root: MimePart): Generator<MimePart> {
  const stack: MimePart[] = [root];
  for (let part = stack.pop(); part !== undefined; part = stack.pop()) {
    yield part;
    if (part.message !== null) stack.push(part.message.root);
    for (let i = part.children.length - 1; i >= 0; i -= 1) {
      const child = part.children[i];
      if (child !== undefined) stack.push(child);
    }
  }
}
