// What the session uses of search evaluation.
import { bodyHaystackBytes } from './body-haystack.ts';
import { fullHaystackBytes } from './header-haystack.ts';

export { evaluateSearch, type Verdict } from './evaluate.ts';
export { searchNeed, type SearchNeed } from './need.ts';
export type { SearchedMessage, SearchedMetadata } from './searched-message.ts';

/** Octets that searching `body` has made so far and that stay as long as `body` itself, at most. */
export const textBytesOf = (body: Uint8Array): number =>
  bodyHaystackBytes(body) + fullHaystackBytes(body);
