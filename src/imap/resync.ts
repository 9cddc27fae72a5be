// Quick resynchronisation (RFC 7162 §3.2): what vanished and what changed since a mod-sequence that the
// client remembers, told at SELECT and by UID FETCH (CHANGEDSINCE … VANISHED).
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ModSeq, Uid } from '../kernel/ids.ts';
import { flagsAt, type SelectedMailbox } from './selected-mailbox.ts';
import type { Session } from './session.ts';
import type { QresyncParameters } from './wire/decode-select.ts';
import {
  intersectRanges,
  lowerBound,
  type Ranges,
  rangesContain,
  rangesOfSorted,
  subtractRanges,
} from './wire/ranges.ts';

/** Messages looked at in one turn of the event loop. */
const turnMessages = 20_000;

/** Answers `SELECT … (QRESYNC …)` behind the usual lines. A stale uid validity tells nothing. */
export async function tellResync(
  session: Session,
  mailbox: SelectedMailbox,
  asked: QresyncParameters,
): Promise<void> {
  const { view } = mailbox;
  if (asked.uidValidity !== (view.uidValidity as number)) return;
  const uids: Ranges = [{ low: 1, high: view.snapshot().uidNext - 1 }];
  const known = asked.knownUids === null ? uids : intersectRanges(asked.knownUids, uids);
  const since = asked.modSeq as ModSeq;
  await tellVanished(session, mailbox, { since, among: known, match: asked.match });
  await tellChanged(session, mailbox, { since, among: known });
}

export interface VanishedQuery {
  readonly since: ModSeq;
  readonly among: Ranges;
  /** Numbers and uids that the client holds together: below where they still agree nothing vanished. */
  readonly match?: QresyncParameters['match'];
}

/** `VANISHED (EARLIER)` for what is gone; all that is not there if the memory does not reach back. */
export async function tellVanished(
  session: Session,
  mailbox: SelectedMailbox,
  query: VanishedQuery,
): Promise<void> {
  const { view } = mailbox;
  const remembered = await view.vanishedSince(query.since);
  const { uids } = view.snapshot();
  const gone =
    remembered === undefined
      ? above(query.among, agreedUpTo(uids, query.match ?? null))
      : intersectRanges(
          query.among,
          remembered.map(({ first, last }) => ({ low: first, high: last })),
        );
  const vanished = subtractRanges(gone, rangesOfSorted(uids));
  if (vanished.length === 0) return;
  session.out.enc.raw('* VANISHED (EARLIER) ').numSet(vanished).crlf();
  await session.out.relieve();
}

async function tellChanged(
  session: Session,
  mailbox: SelectedMailbox,
  query: { readonly since: ModSeq; readonly among: Ranges },
): Promise<void> {
  const { view } = mailbox;
  // Nothing is taken into the view before the command ends, so its places stay.
  const snapshot = view.snapshot();
  const count = snapshot.uids.length;
  for (let index = 0; index < count; index += 1) {
    if (index % turnMessages === turnMessages - 1) await nextTurn();
    if (snapshot.modseq(index) <= query.since) continue;
    const told = flagsAt(snapshot, { index, uid: (snapshot.uids[index] ?? 0) as Uid });
    if (!rangesContain(query.among, told.uid)) continue;
    mailbox.writeFlagsOf(session, told);
    if (session.out.isFull) await session.out.relieve();
  }
}

/** The highest uid whose number is still what the client holds (RFC 7162 §3.2.5.2); 0 if none. */
function agreedUpTo(uids: Uint32Array, match: QresyncParameters['match']): number {
  if (match === null) return 0;
  const seqs = numbersUpTo(match.seqs, uids.length);
  const pairs = numbersUpTo(match.uids, Number.MAX_SAFE_INTEGER, seqs.length);
  let agreed = 0;
  for (const [place, seq] of seqs.entries()) {
    if (uids[seq - 1] !== pairs[place]) break;
    agreed = pairs[place] ?? agreed;
  }
  return agreed;
}

/** Numbers of a set that are not above `highest`, at most `most` of them. */
function numbersUpTo(ranges: Ranges, highest: number, most = Number.MAX_SAFE_INTEGER): number[] {
  const out: number[] = [];
  for (const { low, high } of ranges) {
    for (let n = low; n <= Math.min(high, highest) && out.length < most; n += 1) out.push(n);
  }
  return out;
}

function above(ranges: Ranges, limit: number): Ranges {
  if (limit === 0) return ranges;
  const from = lowerBound(
    ranges.map(({ high }) => high),
    limit + 1,
  );
  return ranges.slice(from).map(({ low, high }) => ({ low: Math.max(low, limit + 1), high }));
}
