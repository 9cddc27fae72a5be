// Names of objects: docs/formats/s3.md. The last digit of a pack id says what the pack was made as, so that
// a reference alone leads to its key. Only upkeep goes by it: a pack in the wrong place would still be read.
import type { PackId } from '../../kernel/ids.ts';

/** `batch`: one group commit, until it is gathered; `large`: one streamed body; `pack`: gathered. */
export const packPlaces = ['batch', 'large', 'pack'] as const;
export type PackPlace = (typeof packPlaces)[number];

const digits: Readonly<Record<PackPlace, string>> = { batch: 'b', large: 'c', pack: 'f' };

/** Where an object says that a pack was touched. */
export const touchedFolder = 'touched/';
/** Where the lock is tried at each start. */
export const lockTestFolder = 'lock-test/';

/** A fresh id for a pack of this place: random but for its last digit. */
export function packIdIn(place: PackPlace, random: PackId): PackId {
  return `${random.slice(0, -1)}${digits[place]}` as PackId;
}

export function placeOf(pack: PackId): PackPlace {
  const last = pack.slice(-1);
  return packPlaces.find((place) => digits[place] === last) ?? 'pack';
}

export function packKey(pack: PackId): string {
  return `${placeOf(pack)}/${pack}.pack`;
}

export function touchedKey(pack: PackId): string {
  return `${touchedFolder}${pack}`;
}

/** Pack id of a key; undefined for any other object. */
export function packOfKey(key: string): PackId | undefined {
  const pack = /\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.pack$/.exec(key)?.[1];
  return pack !== undefined && packKey(pack as PackId) === key ? (pack as PackId) : undefined;
}
