// A real AEAD of node:crypto behind the port of side records, for suites that must not wait for the
// vault: ChaCha20-Poly1305 with the last 12 of 24 nonce bytes. The format's own cipher is the vault's.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { SideCipher } from '../../src/ledger/event/side-record.ts';

const options = { authTagLength: 16 } as const;
export const nodeSideCipher: SideCipher = {
  seal(key, aad, plain) {
    const nonce = Buffer.alloc(24, 1);
    const cipher = createCipheriv('chacha20-poly1305', key, nonce.subarray(12), options);
    cipher.setAAD(aad, { plaintextLength: plain.length });
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  },
  open(key, aad, sealed) {
    const end = sealed.length - 16;
    const cipher = createDecipheriv('chacha20-poly1305', key, sealed.subarray(12, 24), options);
    cipher.setAAD(aad, { plaintextLength: end - 24 });
    cipher.setAuthTag(sealed.subarray(end));
    return Buffer.concat([cipher.update(sealed.subarray(24, end)), cipher.final()]);
  },
};
