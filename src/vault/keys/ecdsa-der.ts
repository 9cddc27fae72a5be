// Encodings of ECDSA P-256: SubjectPublicKeyInfo of a point and DER of a raw signature.
// Source: RFC 5480 §2, RFC 3279 §2.2.3, X.690 §8.3 (minimal, positive INTEGERs).
import { assert } from '../../kernel/errors.ts';

/** SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING } up to the point. */
const spkiHead = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');

/** DER of SubjectPublicKeyInfo for an uncompressed point of 65 bytes. */
export function spkiOfPoint(point: Uint8Array): Buffer {
  assert(point.length === 65 && point[0] === 0x04, 'an uncompressed P-256 point has 65 bytes');
  return Buffer.concat([spkiHead, point]);
}

/** DER of a raw signature `r ‖ s` of 64 bytes. */
export function derOfRawSignature(raw: Uint8Array): Buffer {
  assert(raw.length === 64, 'a raw P-256 signature has 64 bytes');
  const r = integer(raw.subarray(0, 32));
  const s = integer(raw.subarray(32));
  return Buffer.concat([Buffer.of(0x30, r.length + s.length), r, s]);
}

function integer(bytes: Uint8Array): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const value = bytes.subarray(start);
  const sign = (value[0] ?? 0) >= 0x80 ? Buffer.of(0) : Buffer.alloc(0);
  return Buffer.concat([Buffer.of(0x02, value.length + sign.length), sign, value]);
}
