// The file of the keyfile store: keys sealed under a passphrase, docs/formats/kek-wrap.md "Key file".
// Pure but for scrypt, which runs on libuv's threads. Development only.
import { createCipheriv, createDecipheriv, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { IntegrityError, PostsealError } from '../../kernel/errors.ts';
import type { Secret } from '../../kernel/secret.ts';
import { gcmNonceBytes, gcmTagBytes } from '../keys/kek-blob.ts';

/** What is inside, in base64: raw KEKs by id and PKCS #8 private keys by id. */
export interface SealedKeys {
  readonly keks: Record<string, string>;
  readonly signing: Record<string, string>;
}

export interface KeyFileRandom {
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
}

const format = 'postseal/keyfile/1';
/** About 64 MB and a quarter of a second: the file is opened once a start. */
const cost = { N: 65_536, r: 8, p: 1 } as const;
const costMax = { N: 1_048_576, r: 32, p: 16 } as const;
export const saltBytes = 32;

interface KeyFile {
  readonly format: typeof format;
  readonly scrypt: { readonly N: number; readonly r: number; readonly p: number };
  readonly salt: string;
  readonly nonce: string;
  readonly sealed: string;
}

const derive = promisify<Uint8Array, Uint8Array, number, object, Buffer>(scrypt);

/** Seals `keys`; `salt` (32 bytes) and `nonce` (12 bytes) are fresh random bytes. */
export async function sealKeys(
  keys: SealedKeys,
  passphrase: Secret,
  random: KeyFileRandom,
): Promise<string> {
  const head = { format, scrypt: cost, salt: base64(random.salt) } as const;
  const key = await keyOf(passphrase, head.scrypt, random.salt);
  const plaintext = Buffer.from(JSON.stringify(keys));
  try {
    const cipher = createCipheriv('aes-256-gcm', key, random.nonce);
    cipher.setAAD(associatedData(head));
    const sealed = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    const file: KeyFile = { ...head, nonce: base64(random.nonce), sealed: base64(sealed) };
    return `${JSON.stringify(file, null, 2)}\n`;
  } finally {
    key.fill(0);
    plaintext.fill(0);
  }
}

/**
 * Opens what `sealKeys` made. @throws PostsealError `key.passphrase` for another passphrase or changed
 * bytes, which cannot be told apart; IntegrityError `integrity.format` for anything else.
 */
export async function openKeys(text: string, passphrase: Secret): Promise<SealedKeys> {
  const file = parse(text);
  const nonce = Buffer.from(file.nonce, 'base64');
  const sealed = Buffer.from(file.sealed, 'base64');
  const salt = Buffer.from(file.salt, 'base64');
  if (nonce.length !== gcmNonceBytes || sealed.length <= gcmTagBytes) throw refused('sizes');
  const key = await keyOf(passphrase, file.scrypt, salt);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: gcmTagBytes });
  key.fill(0);
  decipher.setAAD(associatedData(file));
  decipher.setAuthTag(sealed.subarray(-gcmTagBytes));
  const plaintext = decipher.update(sealed.subarray(0, -gcmTagBytes));
  try {
    decipher.final();
    return JSON.parse(plaintext.toString('utf8')) as SealedKeys;
  } catch (error) {
    throw new PostsealError('key.passphrase', {}, error);
  } finally {
    plaintext.fill(0);
  }
}

function parse(text: string): KeyFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refused('json', error);
  }
  if (typeof value !== 'object' || value === null) throw refused('json');
  const file = value as Record<string, unknown>;
  const texts = [file['salt'], file['nonce'], file['sealed']];
  if (file['format'] !== format) throw refused('format');
  if (!texts.every((part) => typeof part === 'string')) throw refused('fields');
  const numbers = file['scrypt'] as Record<string, unknown> | null;
  for (const name of ['N', 'r', 'p'] as const) {
    const number = numbers?.[name];
    if (!Number.isSafeInteger(number) || (number as number) < 1) throw refused('scrypt');
    // A changed file must not make the start eat all memory.
    if ((number as number) > costMax[name]) throw refused('scrypt');
  }
  return value as KeyFile;
}

function associatedData(head: Pick<KeyFile, 'scrypt' | 'salt'>): Buffer {
  const { N, r, p } = head.scrypt;
  return Buffer.from(`${format}\0${N}\0${r}\0${p}\0${head.salt}`);
}

function keyOf(
  passphrase: Secret,
  { N, r, p }: KeyFile['scrypt'],
  salt: Uint8Array,
): Promise<Buffer> {
  return derive(passphrase.expose(), salt, 32, { N, r, p, maxmem: 256 * N * r });
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function refused(what: string, cause?: unknown): IntegrityError {
  return new IntegrityError('integrity.format', { format: 'keyfile', what }, cause);
}
