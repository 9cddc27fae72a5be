// The LIST and LSUB responses (RFC 9051 §7.3.1, RFC 3501 §7.2.3).
import type { Encoder } from './wire/encoder.ts';

export interface ListLine {
  /** Default LIST. */
  readonly kind?: 'LIST' | 'LSUB';
  readonly name: string;
  readonly attributes: readonly string[];
  /** CHILDINFO of RECURSIVEMATCH (RFC 9051 §6.3.9.6): why a parent is listed that does not match. */
  readonly childInfo?: boolean;
}

export function writeList(enc: Encoder, line: ListLine): void {
  enc.raw(`* ${line.kind ?? 'LIST'} (${line.attributes.join(' ')}) "/" `).mailbox(line.name);
  if (line.childInfo === true) enc.raw(' ("CHILDINFO" ("SUBSCRIBED"))');
  enc.crlf();
}
