// Whoever has the token, every wrap that ever was and all the time: tries each wrap against each key that can be had.
import { unwrapKey } from '../../src/vault/formats/wrap.ts';
import { kekContextBytes } from '../../src/vault/keys/kek-blob.ts';
import type { KeyStore } from '../../src/vault/keys/key-store.ts';

/** A wrap of a custodian key under a KEK, or of a group key under a custodian key, with what it says of itself. */
export interface KeyWrap {
  readonly id: string;
  readonly version: number;
  readonly generation: number;
  readonly wrap: Buffer;
}

export interface OpenedKey {
  readonly id: string;
  readonly version: number;
  readonly key: Uint8Array;
}

const wrapBytes = 78;

/** Keys of the custodian that any KEK of generations 0 to `generations` opens, by id and version. */
export async function custodianKeys(
  store: KeyStore,
  place: {
    readonly organisation: string;
    readonly custodian: string;
    readonly generations: number;
  },
  wraps: readonly KeyWrap[],
): Promise<OpenedKey[]> {
  const opened = new Map<string, OpenedKey>();
  for (const { id, version, generation, wrap } of wraps) {
    const context = kekContextBytes({
      purpose: 'custodian-key',
      organisationId: place.organisation,
      ownerId: place.custodian,
      ...{ keyId: id, generation, version },
    });
    for (let kek = 0; kek <= place.generations; kek += 1) {
      const label = `postseal kek ${place.organisation} ${String(kek)}`;
      const key = await store.unwrap(label, context, wrap).catch(() => undefined);
      if (key !== undefined) opened.set(`${id} ${String(version)}`, { id, version, key });
    }
  }
  return [...opened.values()];
}

/** What `wrap` holds for `object` of the custodian, under any of `parents`; undefined where none opens it. */
export function openWithAny(
  parents: readonly OpenedKey[],
  custodian: string,
  purpose: 'group-key' | 'dek',
  object: string,
  wrap: Uint8Array,
): Uint8Array | undefined {
  for (const { id, version, key } of parents) {
    const parent = { parentKeyId: id, parentVersion: version };
    try {
      return unwrapKey(key, { purpose, custodianId: custodian, objectId: object, ...parent }, wrap);
    } catch {
      continue;
    }
  }
  return undefined;
}

/** Everything in `bytes` that may be a wrap under one of the first versions of a key. */
export function wrapsIn(bytes: Buffer): Buffer[] {
  const found = new Map<string, Buffer>();
  for (let version = 1; version <= 4; version += 1) {
    const head = Buffer.of(1, 1, 0, 0, 0, version);
    for (let at = bytes.indexOf(head); at >= 0; at = bytes.indexOf(head, at + 1)) {
      const wrap = bytes.subarray(at, at + wrapBytes);
      if (wrap.length === wrapBytes) found.set(wrap.toString('hex'), wrap);
    }
  }
  return [...found.values()];
}
