// What the session uses of search evaluation.
export { evaluateSearch, type Verdict } from './evaluate.ts';
export { searchNeed, type SearchNeed } from './need.ts';
export type { SearchedMessage, SearchedMetadata } from './searched-message.ts';
