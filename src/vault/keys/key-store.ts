// The port to the place where key-encryption keys and signing keys live and never leave: a PKCS#11
// token or, in development, a sealed file. docs/formats/kek-wrap.md is the blob that `wrap` makes.
// Calls are asynchronous and safe to run at the same time; test/contract/key-store.contract.ts is the
// suite that every store passes.

export type TokenClass = 'hsm' | 'software-token' | 'keyfile';

/** An ECDSA P-256 key whose private half stays in the store. */
export interface EcdsaKey {
  readonly label: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Buffer;
  /** Signs a SHA-256 digest (32 bytes); returns DER. @throws PostsealError `key.unavailable`. */
  sign(digest: Uint8Array): Promise<Buffer>;
}

export interface KekRef {
  /** Stable name of the key inside the store; recorded in kek_generation.kek_label. */
  readonly id: string;
  readonly generation: number;
  readonly created: boolean;
}

/** A key in a store by its attributes; undefined where the store does not keep one for this kind of key. */
export interface StoredKey {
  readonly label: string;
  readonly class: 'secret' | 'private' | 'public' | 'other';
  readonly sensitive: boolean | undefined;
  readonly alwaysSensitive: boolean | undefined;
  readonly extractable: boolean | undefined;
  readonly neverExtractable: boolean | undefined;
  /** Made inside. */
  readonly local: boolean | undefined;
  readonly usages: readonly string[];
}

export interface StoreHealth {
  readonly available: boolean;
  /** Model and label of the token or the file's base name, for reports. */
  readonly token: string;
  /** The file of keys/profiles/ without its ending, or `keyfile`. */
  readonly profile: string;
  /** How KEKs work. */
  readonly mechanism: string;
  /** Code of the failure while it is not available. */
  readonly code?: string;
}

/**
 * MUST keep KEKs and private keys inside; MUST NOT block the event loop on the device; MUST fail with
 * `key.unavailable` (retryable) while the device is away and recover by itself when it is back.
 */
export interface KeyStore {
  readonly kind: string;
  readonly tokenClass: TokenClass;
  /** Finds or makes the AES-256 key of a generation, inside the store. Idempotent. */
  ensureKek(generation: number): Promise<KekRef>;
  /**
   * Destroys the key inside the store; what it wrapped never opens again. Idempotent. It is gone when this
   * returns, from a group of devices as far as their vendor's module reaches; copies in other tokens are not.
   * @throws PostsealError `key.unavailable`, `key.token` when the store keeps it.
   */
  destroyKek(kekId: string): Promise<void>;
  /** Encrypts 32 bytes under a KEK, bound to `aad`. Does not keep or zero `key32`. */
  wrap(kekId: string, aad: Uint8Array, key32: Uint8Array): Promise<Buffer>;
  /**
   * Opens what `wrap` made; the caller zeroes the result.
   * @throws IntegrityError when blob or aad were changed; PostsealError `key.destroyed` when the store
   * answers and has no such KEK.
   */
  unwrap(kekId: string, aad: Uint8Array, blob: Uint8Array): Promise<Buffer>;
  /** Finds or makes a signing key. Idempotent. */
  ensureSigningKey(label: string): Promise<EcdsaKey>;
  /** @throws PostsealError `key.store-other` when the store answers and has no such key. */
  findSigningKey(label: string): Promise<EcdsaKey>;
  /** Everything that lies in the store, by attributes alone. @throws PostsealError `key.unavailable`. */
  inventory(): Promise<readonly StoredKey[]>;
  /** A real encryption and decryption with every KEK in use; never throws. */
  health(): Promise<StoreHealth>;
  close(): Promise<void>;
}
