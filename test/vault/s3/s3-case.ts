// The S3 body store as a subject of the contract suite, on whatever service is there.
import { randomBytes, randomUUID } from 'node:crypto';
import type { BodyStoreCase } from '../../contract/body-store.contract.ts';
import type { BodyStore } from '../../../src/vault/packs/body-store.ts';
import { packKey, packOfKey } from '../../../src/vault/s3/object-keys.ts';
import type { ObjectStore } from '../../../src/vault/s3/object-store.ts';
import { createS3BodyStore } from '../../../src/vault/s3/s3-body-store.ts';
import type { S3Place } from '../../../src/vault/s3/s3-client.ts';
import { openS3Objects } from '../../../src/vault/s3/s3-objects.ts';

export interface S3Service {
  place(prefix: string): S3Place;
  away(): Promise<void>;
  back(): Promise<void>;
  readonly locks: boolean;
}

/** The store of one process. */
export function openBodiesAt(place: S3Place): BodyStore {
  return createS3BodyStore({
    objects: openS3Objects(place),
    random: (length) => randomBytes(length),
    now: () => performance.now(),
  });
}

export function s3Case(service: S3Service): BodyStoreCase {
  let place: S3Place;
  let objects: ObjectStore;
  const keys = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of objects.list('')) found.push(key);
    return found;
  };
  return {
    begin: () => {
      place = service.place(`contract-${randomUUID()}`);
      objects = openS3Objects(place);
      return Promise.resolve();
    },
    open: () => openBodiesAt(place),
    stored: async () => (await keys()).flatMap((key) => packOfKey(key) ?? []),
    tamper: async (pack, change) => {
      const bytes = change(await objects.get(packKey(pack)));
      if (bytes === undefined) await objects.remove(packKey(pack));
      else await objects.put(packKey(pack), bytes);
    },
    away: () => service.away(),
    back: () => service.back(),
    awayCode: 'store.unreachable',
    locks: service.locks,
    end: () => {
      objects.close();
      return Promise.resolve();
    },
  };
}
