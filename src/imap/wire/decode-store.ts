// Arguments of STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3).
import type { Decoder } from './decoder.ts';
import { expectStoreFlags } from './decode-flags.ts';

export interface StoreArguments {
  readonly operation: 'set' | 'add' | 'remove';
  /** `.SILENT`: the client wants no FETCH of what it set. */
  readonly silent: boolean;
  readonly flags: readonly string[];
  readonly unchangedSince: number | null;
}

/** Everything after the message set and its space. */
export function expectStoreArguments(dec: Decoder): StoreArguments {
  const unchangedSince = expectStoreModifiers(dec);
  const operation = dec.special('+') ? 'add' : dec.special('-') ? 'remove' : 'set';
  const name = dec.expectKeyword('expected FLAGS');
  if (name !== 'FLAGS' && name !== 'FLAGS.SILENT') throw dec.fail('expected FLAGS');
  dec.expectSp();
  return {
    operation,
    silent: name === 'FLAGS.SILENT',
    flags: expectStoreFlags(dec),
    unchangedSince,
  };
}

function expectStoreModifiers(dec: Decoder): number | null {
  let unchangedSince: number | null = null;
  const modifiers = dec.list(() => {
    if (!dec.keyword('UNCHANGEDSINCE')) throw dec.fail('unknown store modifier');
    dec.expectSp();
    unchangedSince = dec.expectNumber64('expected a mod-sequence');
  });
  if (modifiers !== null) dec.expectSp();
  return unchangedSince;
}
