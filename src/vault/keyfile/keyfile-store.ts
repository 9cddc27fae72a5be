// The key store without a token: a passphrase-sealed file, for development only. While it runs its keys
// lie in this process's memory, which is just what a token prevents; `production: true` refuses it.
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  randomBytes,
  type KeyObject,
} from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { assert, PostsealError } from '../../kernel/errors.ts';
import type { Secret } from '../../kernel/secret.ts';
import {
  decodeKekBlob,
  encodeKekBlob,
  gcmAssociatedData,
  gcmNonceBytes,
  gcmTagBytes,
  kekFormatFailure,
  kekTagFailure,
} from '../keys/kek-blob.ts';
import type { EcdsaKey, KeyStore, StoredKey, StoreHealth } from '../keys/key-store.ts';
import { openKeys, saltBytes, sealKeys, type SealedKeys } from './sealed-keys.ts';
import { signDigest } from './sign-digest.ts';
import { writeSealedFile } from './write-file.ts';

export interface KeyfileStoreOptions {
  /** One process writes one file: the key service and the signer have a file each. */
  readonly path: string;
  readonly passphrase: Secret;
  readonly organisationId: string;
}

/** Opens the file, or makes an empty one. @throws PostsealError `key.passphrase`. */
export async function openKeyfileStore(options: KeyfileStoreOptions): Promise<KeyStore> {
  const keys = existsSync(options.path)
    ? await openKeys(readFileSync(options.path, 'utf8'), options.passphrase)
    : { keks: {}, signing: {} };
  const store = new KeyfileStore(options, keys);
  if (!existsSync(options.path)) await store.save();
  return store;
}

const newPair = promisify(generateKeyPair);

class KeyfileStore implements KeyStore {
  readonly kind = 'keyfile';
  readonly tokenClass = 'keyfile';
  readonly #options: KeyfileStoreOptions;
  readonly #keks = new Map<string, Buffer>();
  readonly #signing = new Map<string, KeyObject>();
  /** Changes run one after the other, so that no key is lost between two writers. */
  #tail: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: KeyfileStoreOptions, keys: SealedKeys) {
    this.#options = options;
    for (const [id, text] of Object.entries(keys.keks)) {
      this.#keks.set(id, Buffer.from(text, 'base64'));
    }
    for (const [id, text] of Object.entries(keys.signing)) {
      const der = Buffer.from(text, 'base64');
      this.#signing.set(id, createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
      der.fill(0);
    }
  }

  ensureKek(generation: number): Promise<{ id: string; generation: number; created: boolean }> {
    const id = `postseal kek ${this.#options.organisationId} ${generation}`;
    return this.#change(() => {
      const created = !this.#keks.has(id);
      if (created) this.#keks.set(id, randomBytes(32));
      return Promise.resolve({ changed: created, result: { id, generation, created } });
    });
  }

  destroyKek(kekId: string): Promise<void> {
    return this.#change(() => {
      this.#keks.get(kekId)?.fill(0);
      this.#keks.delete(kekId);
      // Written in any case: a write that failed before may have left it in the file.
      return Promise.resolve({ changed: true, result: undefined });
    });
  }

  wrap(kekId: string, aad: Uint8Array, key32: Uint8Array): Promise<Buffer> {
    return this.#try(() => {
      assert(key32.length === 32, 'a wrapped key has 32 bytes');
      return sealWithKek(this.#kek(kekId), randomBytes(gcmNonceBytes), aad, key32);
    });
  }

  unwrap(kekId: string, aad: Uint8Array, blob: Uint8Array): Promise<Buffer> {
    return this.#try(() => openWithKek(this.#kek(kekId), aad, blob));
  }

  async ensureSigningKey(label: string): Promise<EcdsaKey> {
    const id = `postseal sign ${this.#options.organisationId} ${label}`;
    const key = await this.#change(async () => {
      const known = this.#signing.get(id);
      if (known !== undefined) return { changed: false, result: known };
      const { privateKey } = await newPair('ec', { namedCurve: 'P-256' });
      this.#signing.set(id, privateKey);
      return { changed: true, result: privateKey };
    });
    return this.#signingKey(label, key);
  }

  findSigningKey(label: string): Promise<EcdsaKey> {
    return this.#try(() => {
      const id = `postseal sign ${this.#options.organisationId} ${label}`;
      const key = this.#signing.get(id);
      if (key === undefined) throw new PostsealError('key.store-other', { key: id });
      return this.#signingKey(label, key);
    });
  }

  /** Keys of a file are as extractable as the file: nothing else is said of them. */
  inventory(): Promise<readonly StoredKey[]> {
    const inFile = {
      ...{ sensitive: false, alwaysSensitive: false, extractable: true, neverExtractable: false },
      local: true,
    };
    return Promise.resolve([
      ...[...this.#keks.keys()].map((label) => ({
        ...{ label, class: 'secret' as const, ...inFile },
        usages: ['encrypt', 'decrypt'],
      })),
      ...[...this.#signing.keys()].map((label) => ({
        ...{ label, class: 'private' as const, ...inFile },
        usages: ['sign'],
      })),
    ]);
  }

  async health(): Promise<StoreHealth> {
    const about = {
      token: basename(this.#options.path),
      profile: 'keyfile',
      mechanism: 'AES-GCM in the process',
    };
    try {
      for (const id of this.#keks.keys()) {
        const aad = randomBytes(24);
        const opened = await this.unwrap(id, aad, await this.wrap(id, aad, Buffer.alloc(32)));
        if (!opened.equals(Buffer.alloc(32)))
          return { available: false, ...about, code: 'internal' };
      }
      return this.#closed
        ? { available: false, ...about, code: 'key.unavailable' }
        : { available: true, ...about };
    } catch (error) {
      const code = error instanceof PostsealError ? error.code : 'internal';
      return { available: false, ...about, code };
    }
  }

  async close(): Promise<void> {
    await this.#tail;
    this.#closed = true;
    for (const key of this.#keks.values()) key.fill(0);
    this.#keks.clear();
    this.#signing.clear();
  }

  /** Writes all keys under a fresh salt and nonce. */
  async save(): Promise<void> {
    const keys: SealedKeys = {
      keks: Object.fromEntries([...this.#keks].map(([id, key]) => [id, key.toString('base64')])),
      signing: Object.fromEntries(
        [...this.#signing].map(([id, key]) => {
          const der = key.export({ format: 'der', type: 'pkcs8' });
          return [id, der.toString('base64')];
        }),
      ),
    };
    const random = { salt: randomBytes(saltBytes), nonce: randomBytes(gcmNonceBytes) };
    await writeSealedFile(
      this.#options.path,
      await sealKeys(keys, this.#options.passphrase, random),
    );
  }

  #change<T>(change: () => Promise<{ changed: boolean; result: T }>): Promise<T> {
    const done = this.#tail.then(async () => {
      if (this.#closed) throw new PostsealError('key.unavailable', { reason: 'closed' });
      const { changed, result } = await change();
      if (changed) await this.save();
      return result;
    });
    this.#tail = done.then(
      () => undefined,
      // The caller of the failed change has its error; the next change starts afresh.
      () => undefined,
    );
    return done;
  }

  /** Runs a synchronous step so that its errors arrive as rejections, as those of a token do. */
  #try<T>(step: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed) reject(new PostsealError('key.unavailable', { reason: 'closed' }));
      else resolve(step());
    });
  }

  #signingKey(label: string, key: KeyObject): EcdsaKey {
    const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
    return { label, spki, sign: (digest) => this.#try(() => signDigest(key, digest)) };
  }

  #kek(id: string): Buffer {
    const key = this.#keks.get(id);
    if (key === undefined) throw new PostsealError('key.destroyed', { key: id });
    return key;
  }
}

/** A blob of docs/formats/kek-wrap.md made in software; the vectors are made with it. */
export function sealWithKek(
  kek: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  key32: Uint8Array,
): Buffer {
  const cipher = createCipheriv('aes-256-gcm', kek, nonce);
  cipher.setAAD(gcmAssociatedData(aad));
  const sealed = Buffer.concat([cipher.update(key32), cipher.final(), cipher.getAuthTag()]);
  return encodeKekBlob({ suite: 'aes-gcm', nonce, sealed });
}

/** Opens a blob in software; no store of ours ever held a KEK of the other suite. @throws IntegrityError. */
export function openWithKek(kek: Uint8Array, aad: Uint8Array, blob: Uint8Array): Buffer {
  const parts = decodeKekBlob(blob);
  if (parts.suite !== 'aes-gcm') throw kekFormatFailure('suite');
  const { nonce, sealed } = parts;
  const decipher = createDecipheriv('aes-256-gcm', kek, nonce, { authTagLength: gcmTagBytes });
  decipher.setAAD(gcmAssociatedData(aad));
  decipher.setAuthTag(sealed.subarray(-gcmTagBytes));
  const key = decipher.update(sealed.subarray(0, -gcmTagBytes));
  try {
    decipher.final();
    return key;
  } catch (error) {
    key.fill(0);
    throw kekTagFailure(error);
  }
}
