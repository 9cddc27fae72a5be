// The key store on a PKCS#11 token: KEKs and signing keys are made inside and never leave. Raw
// pkcs11js, asynchronous calls, two to four sessions. One store a process and module: a module's state
// and login belong to the process (PKCS #11 v2.40 §5.4, §5.6).
import { createHash, randomBytes, verify } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import pkcs11js from 'pkcs11js';
import type { Handle, KeyPair } from 'pkcs11js';
import { assert, PostsealError } from '../../kernel/errors.ts';
import type { Secret } from '../../kernel/secret.ts';
import { derOfRawSignature, spkiOfPoint } from '../keys/ecdsa-der.ts';
import { decodeKekBlob, kekTagFailure } from '../keys/kek-blob.ts';
import type { EcdsaKey, KeyStore, StoredKey, StoreHealth } from '../keys/key-store.ts';
import { findToken, loadModule } from './cryptoki.ts';
import { isSound } from './kek-cipher.ts';
import { keptAlive } from './kept-alive.ts';
import { listKeys } from './list-keys.ts';
import { createPinTries } from './pin-tries.ts';
import type { TokenProfile } from './profile.ts';
import { mayBeBadTag } from './token-errors.ts';
import { createKek, createPair, findKek, findPair, readPoint } from './token-keys.ts';
import { TokenLink, type TokenConnection } from './token-link.ts';

export interface Pkcs11StoreOptions {
  /** Absolute path of the module. */
  readonly module: string;
  readonly profile: TokenProfile;
  /** The home's `keys/` folder, mode 0700: PIN files, the count of tries, a software token's data. */
  readonly folder: string;
  /** Label of the token. */
  readonly label: string;
  /** The organisation's id: part of the names of keys, so that homes may share a token. */
  readonly organisationId: string;
  /** Replaces the PIN files. */
  readonly pin?: Secret | undefined;
  readonly soPin?: Secret | undefined;
  /** Set up a token where there is none and the profile allows it; else one that is not there is missing. */
  readonly provision: boolean;
  /** Refuse a software token, also one that a profile calls an HSM. Default false. */
  readonly hardwareOnly?: boolean;
  /** Sessions, 2–4; the profile's number if lower. */
  readonly sessions?: number;
  readonly callTimeoutMs?: number;
  /** See token-link.ts. */
  readonly onHung?: (() => void) | undefined;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/**
 * Connects to the token. @throws PostsealError `key.store-missing`, `key.token`, `key.pin`, `key.pin-locked`,
 * `key.software-token`, `key.unavailable`.
 */
export async function openPkcs11Store(options: Pkcs11StoreOptions): Promise<KeyStore> {
  const link = new TokenLink(loadModule(options), {
    profile: options.profile,
    label: options.label,
    folder: options.folder,
    pin: options.pin,
    soPin: options.soPin,
    provision: options.provision,
    hardwareOnly: options.hardwareOnly ?? false,
    sessions: options.sessions ?? 4,
    callTimeoutMs: options.callTimeoutMs ?? 10_000,
    onHung: options.onHung,
    tries: createPinTries(options.folder, options.now),
    monotonic: () => performance.now(),
  });
  // The first connection proves module, token and PIN, so that a wrong one fails the start.
  await link.run(() => Promise.resolve());
  return new Pkcs11Store(link, options);
}

class Pkcs11Store implements KeyStore {
  readonly kind = 'pkcs11';
  readonly #link: TokenLink;
  readonly #profile: TokenProfile;
  readonly #organisation: string;
  readonly #label: string;
  /** KEKs that were used or made through this store; `health` tries each. */
  readonly #known = new Set<string>();

  constructor(link: TokenLink, options: Pkcs11StoreOptions) {
    this.#link = link;
    this.#profile = options.profile;
    this.#organisation = options.organisationId;
    this.#label = options.label;
  }

  get tokenClass(): KeyStore['tokenClass'] {
    return this.#link.tokenClass;
  }

  async ensureKek(
    generation: number,
  ): Promise<{ id: string; generation: number; created: boolean }> {
    const id = `postseal kek ${this.#organisation} ${generation}`;
    const created = await this.#link.run(async ({ api, session, keks }) => {
      const found = findKek(api, session, id, this.#profile);
      keks.set(id, found ?? (await createKek(api, session, id, this.#profile)));
      return found === undefined;
    });
    this.#known.add(id);
    return { id, generation, created };
  }

  async destroyKek(kekId: string): Promise<void> {
    await this.#link.run((connection) => {
      const { api, session, keks } = connection;
      const key = findKek(api, session, kekId, this.#profile);
      if (key === undefined) {
        // A token that is away shows no keys either, and destroys none.
        if (!this.#isPresent(connection)) throw new PostsealError('key.unavailable');
      } else {
        api.C_DestroyObject(session, key);
        // Some devices only hide what they cannot destroy, and say that all is well.
        if (findKek(api, session, kekId, this.#profile) !== undefined) {
          throw new PostsealError('key.token', { reason: 'not-destroyed', key: kekId });
        }
      }
      keks.delete(kekId);
      return Promise.resolve();
    });
    this.#known.delete(kekId);
  }

  async wrap(kekId: string, aad: Uint8Array, key32: Uint8Array): Promise<Buffer> {
    assert(key32.length === 32, 'a wrapped key has 32 bytes');
    const plaintext = Buffer.from(key32);
    try {
      return await this.#link.run((connection) => {
        const key = this.#kek(connection, kekId);
        const call = { session: connection.session, key, context: aad };
        return connection.ciphers.live.seal(call, plaintext);
      });
    } finally {
      plaintext.fill(0);
    }
  }

  async unwrap(kekId: string, aad: Uint8Array, blob: Uint8Array): Promise<Buffer> {
    const parts = decodeKekBlob(blob);
    return this.#link.run(async (connection) => {
      const key = this.#kek(connection, kekId);
      const cipher = connection.ciphers.of(parts.suite);
      try {
        return await cipher.open({ session: connection.session, key, context: aad }, parts);
      } catch (error) {
        // SoftHSM answers a bad tag and its own absence with one code; a token that still works with
        // this very key was not away, so it is the blob.
        if (mayBeBadTag(error) && (await isSound(cipher, connection.session, key))) {
          throw kekTagFailure(error);
        }
        throw error;
      }
    });
  }

  async ensureSigningKey(label: string): Promise<EcdsaKey> {
    const id = this.#signingId(label);
    await this.#link.run(async ({ api, session, pairs }) => {
      const found = findPair(api, session, id, this.#profile);
      pairs.set(id, found ?? (await createPair(api, session, id, this.#profile)));
    });
    return this.findSigningKey(label);
  }

  async findSigningKey(label: string): Promise<EcdsaKey> {
    const id = this.#signingId(label);
    const spki = await this.#link.run((connection) => {
      const { publicKey } = this.#pair(connection, id);
      return Promise.resolve(spkiOfPoint(readPoint(connection.api, connection.session, publicKey)));
    });
    const key: EcdsaKey = { label, spki, sign: (digest) => this.#sign(id, digest) };
    await proveSigningKey(key);
    return key;
  }

  inventory(): Promise<readonly StoredKey[]> {
    return this.#link.run(({ api, session }) => Promise.resolve(listKeys(api, session)));
  }

  async health(): Promise<StoreHealth> {
    try {
      await this.#link.run(async (connection) => {
        for (const id of this.#known) {
          const key = this.#kek(connection, id);
          if (!(await isSound(connection.ciphers.live, connection.session, key))) {
            throw new PostsealError('key.unavailable', { reason: 'health', kek: id });
          }
        }
      });
      return { available: true, ...this.#about() };
    } catch (error) {
      const code = error instanceof PostsealError ? error.code : 'internal';
      return { available: false, ...this.#about(), code };
    }
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  #about(): Pick<StoreHealth, 'token' | 'profile' | 'mechanism'> {
    const { token, mechanism } = this.#link;
    return { token, mechanism, profile: this.#profile.name };
  }

  #kek(connection: TokenConnection, id: string): Handle {
    const known = connection.keks.get(id);
    if (known !== undefined) return known;
    const found = findKek(connection.api, connection.session, id, this.#profile);
    if (found === undefined) throw this.#missing(connection, id);
    connection.keks.set(id, found);
    this.#known.add(id);
    return found;
  }

  #pair(connection: TokenConnection, id: string): KeyPair {
    const known = connection.pairs.get(id);
    if (known !== undefined) return known;
    const found = findPair(connection.api, connection.session, id, this.#profile);
    if (found === undefined) throw this.#missing(connection, id, 'key.store-other');
    connection.pairs.set(id, found);
    return found;
  }

  #signingId(label: string): string {
    return `postseal sign ${this.#organisation} ${label}`;
  }

  /** A token that is away shows no keys either; only one that still shows itself has lost this key. */
  #missing(
    connection: TokenConnection,
    key: string,
    code: 'key.destroyed' | 'key.store-other' = 'key.destroyed',
  ): PostsealError {
    return new PostsealError(this.#isPresent(connection) ? code : 'key.unavailable', { key });
  }

  #isPresent({ api }: TokenConnection): boolean {
    return findToken(api, this.#profile, this.#label) !== undefined;
  }

  async #sign(id: string, digest: Uint8Array): Promise<Buffer> {
    assert(digest.length === 32, 'a SHA-256 digest has 32 bytes');
    const raw = await this.#link.run((connection) => {
      const { api, session } = connection;
      const { privateKey } = this.#pair(connection, id);
      api.C_SignInit(session, { mechanism: pkcs11js.CKM_ECDSA }, privateKey);
      const input = Buffer.from(digest);
      return keptAlive(input, api.C_SignAsync(session, input, Buffer.alloc(128)));
    });
    return derOfRawSignature(raw);
  }
}

/** One signature checked in software: a pair whose halves do not belong together must not go on. */
async function proveSigningKey(key: EcdsaKey): Promise<void> {
  const message = randomBytes(32);
  const signature = await key.sign(createHash('sha256').update(message).digest());
  const publicKey = { key: key.spki, format: 'der', type: 'spki' } as const;
  if (!verify('sha256', message, publicKey, signature)) {
    throw new PostsealError('key.token', { reason: 'signature', label: key.label });
  }
}
