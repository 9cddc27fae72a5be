// Arguments of LIST (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154).
import type { Decoder } from './decoder.ts';
import { expectListPattern, expectMailbox } from './decode-mailbox.ts';
import { type StatusItem, expectStatusItems } from './decode-status.ts';

export interface ListArguments {
  /** Selection or return options or a pattern list stood there: answers are in the new form. */
  readonly extended: boolean;
  readonly select: {
    readonly subscribed: boolean;
    readonly remote: boolean;
    readonly recursiveMatch: boolean;
    readonly specialUse: boolean;
  };
  readonly reference: string;
  readonly patterns: readonly string[];
  /** Null: no RETURN stood there. */
  readonly returns: {
    readonly subscribed: boolean;
    readonly children: boolean;
    readonly specialUse: boolean;
    readonly status: readonly StatusItem[] | null;
  } | null;
}

const patternsMax = 64;

/** Everything after `LIST` and its space. */
export function expectListArguments(dec: Decoder): ListArguments {
  const selected = dec.list(() => dec.expectKeyword('expected a selection option'));
  const select = readSelection(dec, selected ?? []);
  if (selected !== null) dec.expectSp();
  const reference = expectMailbox(dec);
  dec.expectSp();
  const listed = dec.list(() => expectListPattern(dec));
  const patterns = listed ?? [expectListPattern(dec)];
  if (patterns.length === 0 || patterns.length > patternsMax) throw dec.fail('expected patterns');
  const returns = dec.sp() ? expectReturn(dec) : null;
  const extended = selected !== null || listed !== null || returns !== null;
  return { extended, select, reference, patterns, returns };
}

function readSelection(dec: Decoder, names: readonly string[]): ListArguments['select'] {
  const known = ['SUBSCRIBED', 'REMOTE', 'RECURSIVEMATCH', 'SPECIAL-USE'];
  if (names.some((name) => !known.includes(name))) throw dec.fail('unknown selection option');
  const recursiveMatch = names.includes('RECURSIVEMATCH');
  // RFC 9051 §6.3.9.1: RECURSIVEMATCH alone, or with REMOTE only, says nothing to match.
  if (recursiveMatch && !names.includes('SUBSCRIBED') && !names.includes('SPECIAL-USE')) {
    throw dec.fail('RECURSIVEMATCH needs another option');
  }
  return {
    subscribed: names.includes('SUBSCRIBED'),
    remote: names.includes('REMOTE'),
    recursiveMatch,
    specialUse: names.includes('SPECIAL-USE'),
  };
}

function expectReturn(dec: Decoder): NonNullable<ListArguments['returns']> {
  if (!dec.keyword('RETURN')) throw dec.fail('expected RETURN');
  dec.expectSp();
  let status: StatusItem[] | null = null;
  const names = dec.expectList(() => {
    const name = dec.expectKeyword('expected a return option');
    if (name === 'STATUS') {
      dec.expectSp();
      status = expectStatusItems(dec);
    }
    return name;
  }, 'expected return options');
  const known = ['SUBSCRIBED', 'CHILDREN', 'SPECIAL-USE', 'STATUS'];
  if (names.some((name) => !known.includes(name))) throw dec.fail('unknown return option');
  return {
    subscribed: names.includes('SUBSCRIBED'),
    children: names.includes('CHILDREN'),
    specialUse: names.includes('SPECIAL-USE'),
    status,
  };
}
