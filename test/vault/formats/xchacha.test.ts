// XChaCha20-Poly1305: the draft's own vector, and both implementations byte for byte alike.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  openNative,
  openReference,
  openXchacha,
  sealNative,
  sealReference,
  sealXchacha,
} from '../../../src/vault/xchacha.ts';
import { fromHex, toHex } from './vector-files.ts';

const bytes = (min: number, max: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: min, maxLength: max });

describe('xchacha', () => {
  test('draft-irtf-cfrg-xchacha-03 appendix A.3.1', () => {
    const key = fromHex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f');
    const nonce = fromHex('404142434445464748494a4b4c4d4e4f5051525354555657');
    const aad = fromHex('50515253c0c1c2c3c4c5c6c7');
    const plain = new TextEncoder().encode(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    );
    const sealed =
      'bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb' +
      '731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452' +
      '2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9' +
      '21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49';
    for (const seal of [sealXchacha, sealReference, sealNative]) {
      expect(toHex(seal(key, nonce, aad, plain))).toBe(sealed);
    }
  });

  test('both implementations give the same bytes and open each other', () => {
    fc.assert(
      fc.property(
        bytes(32, 32),
        bytes(24, 24),
        bytes(0, 80),
        bytes(0, 1500),
        (key, nonce, aad, plain) => {
          const sealed = sealReference(key, nonce, aad, plain);
          expect(toHex(sealNative(key, nonce, aad, plain))).toBe(toHex(sealed));
          expect(toHex(sealXchacha(key, nonce, aad, plain))).toBe(toHex(sealed));
          for (const open of [openXchacha, openReference, openNative]) {
            expect(toHex(open(key, nonce, aad, sealed) ?? new Uint8Array(0))).toBe(toHex(plain));
          }
        },
      ),
      { seed: 20261124, numRuns: 300 },
    );
  });

  test('both sides of 256 bytes refuse what was changed', () => {
    const key = new Uint8Array(32).fill(7);
    const nonce = new Uint8Array(24).fill(9);
    for (const length of [0, 255, 256, 257, 1000]) {
      const sealed = sealXchacha(key, nonce, new Uint8Array(3), new Uint8Array(length));
      for (let at = 0; at < sealed.length; at += 1) {
        const wrong = Uint8Array.from(sealed);
        wrong[at] = (wrong[at] ?? 0) ^ 0x80;
        expect(openXchacha(key, nonce, new Uint8Array(3), wrong)).toBeUndefined();
      }
      expect(openXchacha(key, nonce, new Uint8Array(4), sealed)).toBeUndefined();
      expect(openXchacha(key, nonce, new Uint8Array(3), sealed.subarray(1))).toBeUndefined();
      expect(openXchacha(key, nonce, new Uint8Array(3), new Uint8Array(15))).toBeUndefined();
    }
  });
});
