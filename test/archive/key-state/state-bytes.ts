// A key state as bytes in memory: taken from the tables, and read from bytes again as a file is.
import {
  type Horizon,
  takeKeyState,
  type TakeScope,
} from '../../../src/archive/key-state/take-rows.store.ts';
import type { StateSource } from '../../../src/archive/key-state/apply.ts';
import type { Database } from '../../../src/platform/postgres/database.ts';
import {
  encodeRecord,
  encodeRecordsEnd,
  KeyStateDecoder,
  type KeyStateRecord,
} from '../../../src/vault/formats/key-state-records.ts';

export interface TakenBytes {
  readonly bytes: Buffer;
  readonly horizon: Horizon;
  readonly needsFull: boolean;
}

export function takeBytes(database: Database, scope: TakeScope): Promise<TakenBytes> {
  return takeKeyState(database, scope, async ({ horizon, needsFull, takenAt, rows }) => {
    const after = '00000000-0000-0000-0000-000000000000';
    const state = { takenAt: takenAt.getTime(), after, rotatedSince: null };
    const parts = [encodeRecord({ kind: 'state', row: state })];
    for await (const record of rows) parts.push(encodeRecord(record));
    parts.push(encodeRecordsEnd(parts.length));
    return { bytes: Buffer.concat(parts), horizon, needsFull };
  });
}

/** In pieces of an odd length, as a reader of a file may get them. */
export function sourceOf(bytes: Buffer): StateSource {
  return async function* () {
    const decoder = new KeyStateDecoder();
    for (let at = 0; at < bytes.length; at += 997)
      yield* decoder.push(bytes.subarray(at, at + 997));
    decoder.end();
    await Promise.resolve();
  };
}

export async function recordsOf(bytes: Buffer): Promise<KeyStateRecord[]> {
  const all: KeyStateRecord[] = [];
  for await (const record of sourceOf(bytes)()) all.push(record);
  return all;
}
