// Until when the law keeps a body. Governance will answer it from retention rules with a legal basis; until
// it does, nothing has one, and what has none is never locked (architecture.md §3).
import type { ContentId, OrganisationId } from '../kernel/ids.ts';
import type { UnixMs } from '../kernel/time.ts';

export interface LockSubject {
  readonly domain: OrganisationId;
  readonly contentId: ContentId;
}

/** The earliest statutory end of each content, in the order asked; undefined without a legal basis. */
export type LockEnds = (
  contents: readonly LockSubject[],
) => Promise<readonly (UnixMs | undefined)[]>;

export const noLegalBasis: LockEnds = (contents) => Promise.resolve(contents.map(() => undefined));

/** Bodies whose ends lie in one month share a pack: the lock of each ends at most a month early. */
export function lockClass(end: UnixMs | undefined): string {
  return end === undefined ? 'none' : new Date(end).toISOString().slice(0, 7);
}

/** The lock of bodies that lie together; undefined if one of them must not be locked. */
export function lockOf(ends: readonly (UnixMs | undefined)[]): UnixMs | undefined {
  const known = ends.filter((end) => end !== undefined);
  if (known.length < ends.length || known.length === 0) return undefined;
  return Math.min(...known) as UnixMs;
}
