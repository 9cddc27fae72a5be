// ECDSA P-256 over a digest that is already made, as tokens do it (CKM_ECDSA); node:crypto only signs
// what it hashes itself. OpenSSL does the curve (k·G by ECDH key generation), the two modular lines are
// here. BigInt is not constant in time, so this is for the development store and nothing else.
// Source: FIPS 186-5 §6.4.1.
import { createECDH, type KeyObject } from 'node:crypto';
import { assert } from '../../kernel/errors.ts';
import { derOfRawSignature } from '../keys/ecdsa-der.ts';

/** Order of the base point of P-256 (FIPS 186-5, SP 800-186 §3.2.1.3). */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** Signs a SHA-256 digest (32 bytes) with a P-256 private key; returns DER. */
export function signDigest(privateKey: KeyObject, digest: Uint8Array): Buffer {
  assert(digest.length === 32, 'a SHA-256 digest has 32 bytes');
  const { d: secret } = privateKey.export({ format: 'jwk' });
  assert(typeof secret === 'string', 'a P-256 private key has a scalar');
  const d = toBigInt(Buffer.from(secret, 'base64url'));
  const e = toBigInt(digest);
  for (;;) {
    const nonce = createECDH('prime256v1');
    const point = nonce.generateKeys();
    const k = toBigInt(nonce.getPrivateKey());
    const r = toBigInt(point.subarray(1, 33)) % order;
    const s = (inverse(k) * (e + r * d)) % order;
    if (r !== 0n && s !== 0n) return derOfRawSignature(Buffer.concat([toBytes(r), toBytes(s)]));
  }
}

/** Inverse modulo the order, by the extended Euclidean algorithm. */
function inverse(value: bigint): bigint {
  let [a, b] = [value % order, order];
  let [x, y] = [1n, 0n];
  while (b !== 0n) {
    const q = a / b;
    [a, b] = [b, a - q * b];
    [x, y] = [y, x - q * y];
  }
  return ((x % order) + order) % order;
}

function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

function toBytes(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
}
