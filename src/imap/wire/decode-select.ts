// Arguments of SELECT and EXAMINE (RFC 9051 §6.3.2, RFC 4466 §2.1, RFC 7162 §3.1.8, §3.2.5).
import type { Decoder } from './decoder.ts';
import { expectMailbox } from './decode-mailbox.ts';
import { expectRanges } from './decode-set.ts';
import { type NumRange, type Ranges, normaliseRanges } from './ranges.ts';
import { star } from './num-set.ts';

export interface QresyncParameters {
  readonly uidValidity: number;
  readonly modSeq: number;
  /** Uids that the client knows; null: all. */
  readonly knownUids: Ranges | null;
  /** Pairs of sequence numbers and their uids, for a shorter answer. */
  readonly match: { readonly seqs: Ranges; readonly uids: Ranges } | null;
}

export interface SelectArguments {
  readonly mailbox: string;
  readonly condstore: boolean;
  readonly qresync: QresyncParameters | null;
}

/** Everything after `SELECT` and its space. */
export function expectSelectArguments(dec: Decoder): SelectArguments {
  const mailbox = expectMailbox(dec);
  let condstore = false;
  let qresync: QresyncParameters | null = null;
  if (dec.sp()) {
    dec.expectList(() => {
      const name = dec.expectKeyword('expected a select parameter');
      if (name === 'CONDSTORE') condstore = true;
      else if (name === 'QRESYNC') qresync = expectQresync(dec);
      else throw dec.fail('unknown select parameter');
    }, 'expected select parameters');
  }
  return { mailbox, condstore, qresync };
}

function expectQresync(dec: Decoder): QresyncParameters {
  dec.expectSp();
  dec.expectSpecial('(');
  const uidValidity = dec.expectNzNumber('expected a uid validity');
  dec.expectSp();
  const modSeq = dec.expectNumber64('expected a mod-sequence');
  let knownUids: Ranges | null = null;
  let match: QresyncParameters['match'] = null;
  if (dec.sp()) {
    if (dec.peek() !== 0x28) {
      knownUids = expectKnownSet(dec);
      if (dec.sp()) match = expectMatch(dec);
    } else {
      match = expectMatch(dec);
    }
  }
  dec.expectSpecial(')');
  return { uidValidity, modSeq, knownUids, match };
}

function expectMatch(dec: Decoder): { seqs: Ranges; uids: Ranges } {
  dec.expectSpecial('(');
  const seqs = expectKnownSet(dec);
  dec.expectSp();
  const uids = expectKnownSet(dec);
  dec.expectSpecial(')');
  return { seqs, uids };
}

/** known-uids and its like: a set in which `*` is forbidden (RFC 7162 §7). */
function expectKnownSet(dec: Decoder): Ranges {
  const ranges: readonly NumRange[] = expectRanges(dec);
  if (ranges.some(({ low, high }) => low === star || high === star)) {
    throw dec.fail('* may not stand here');
  }
  return normaliseRanges(ranges);
}
