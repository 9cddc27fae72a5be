// Keywords that clients may make (RFC 9051 §9 `flag-keyword` = atom). Pure.
import { PostsealError } from '../../kernel/errors.ts';

const keywordBytesMax = 255;
// An atom: printable ASCII without ( ) { space % * " \ ].
const atom = /^[!#$&'+,\-./0-9:;<=>?@A-Z[^_`a-z|}~]+$/;

/** @throws PostsealError `mailbox.name` with `fields.reason` = `keyword`. */
export function keywordName(raw: string): string {
  if (raw.length > keywordBytesMax || !atom.test(raw)) {
    throw new PostsealError('mailbox.name', { reason: 'keyword' });
  }
  return raw;
}

/** Keywords are equal in any case; the first spelling is shown. */
export function keywordIdentity(name: string): string {
  return name.toLowerCase();
}
