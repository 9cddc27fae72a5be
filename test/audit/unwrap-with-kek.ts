// An unwrapping command for tests that know the KEK: `node unwrap-with-kek.ts KEK LABEL`. Written from
// docs/formats/export.md "The unwrapping command" alone.
import { createDecipheriv } from 'node:crypto';
import { readFileSync } from 'node:fs';

interface Request {
  readonly format: string;
  readonly kekLabel: string;
  readonly mechanism: string;
  readonly iv?: string;
  readonly aad?: string;
  readonly data: string;
}

/** The decrypted bytes, or undefined if the tag does not match. */
export function decrypt(kek: Buffer, request: Request): Buffer | undefined {
  const data = Buffer.from(request.data, 'hex');
  try {
    if (request.mechanism === 'CKM_AES_KEY_WRAP_KWP') {
      const kwp = createDecipheriv('id-aes256-wrap-pad', kek, Buffer.from('a65959a6', 'hex'));
      return Buffer.concat([kwp.update(data), kwp.final()]);
    }
    const gcm = createDecipheriv('aes-256-gcm', kek, Buffer.from(request.iv ?? '', 'hex'));
    gcm.setAAD(Buffer.from(request.aad ?? '', 'hex'));
    gcm.setAuthTag(data.subarray(-16));
    return Buffer.concat([gcm.update(data.subarray(0, -16)), gcm.final()]);
  } catch {
    // Both ciphers fail for their tag alone once the lengths are those of the format.
    return undefined;
  }
}

if (process.argv[1] === import.meta.filename) {
  const [, , kek = '', label] = process.argv;
  const request = JSON.parse(readFileSync(0, 'utf8')) as Request;
  const known = request.format === 'postseal/unwrap/1' && request.kekLabel === label;
  const plain = known ? decrypt(Buffer.from(kek, 'hex'), request) : undefined;
  if (plain !== undefined) process.stdout.write(`${plain.toString('hex')}\n`);
  process.exitCode = plain !== undefined ? 0 : known ? 70 : 3;
}
