// Arguments of ID (RFC 2971 §3.1): NIL or pairs of field and value, within the limits of §3.3.
import type { Decoder } from './decoder.ts';
import { utf8 } from './decoder.ts';

const pairsMax = 30;
const fieldBytesMax = 30;
const valueBytesMax = 1024;

/** Fields in lower case with their values; an empty map for NIL. */
export function expectIdParameters(dec: Decoder): ReadonlyMap<string, string | null> {
  const out = new Map<string, string | null>();
  if (dec.keyword('NIL')) return out;
  dec.expectList(() => {
    const field = dec.expectString('expected a field name');
    dec.expectSp();
    const value = dec.expectNstring('expected a field value');
    if (field.length > fieldBytesMax || (value?.length ?? 0) > valueBytesMax) {
      throw dec.fail('the field is too long');
    }
    out.set(utf8(field).toLowerCase(), value === null ? null : utf8(value));
    if (out.size > pairsMax) throw dec.fail('too many fields');
  }, 'expected fields or NIL');
  return out;
}
