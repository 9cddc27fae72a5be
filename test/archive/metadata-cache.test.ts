// Opened metadata in memory: for the session that had it opened, for a time, within bytes.
import { describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { type CachedRecord, MetadataCache } from '../../src/archive/metadata-cache.ts';
import {
  decodeMetadata,
  encodeMetadata,
  saltMetadata,
} from '../../src/archive/metadata-payload.ts';
import { parseMessage } from '../../src/mime/parser.ts';

const payloadOf = (subject: string): Uint8Array =>
  saltMetadata(
    encodeMetadata({
      headerLines: `Subject: ${subject}\r\n`,
      headerTruncated: false,
      structure: parseMessage(Buffer.from(`Subject: ${subject}\r\n\r\nx`)),
      preview: '',
      envelope: undefined,
      digest: Buffer.alloc(32, 1),
    }),
    Buffer.alloc(32, 2),
  );
const newRecord = (): CachedRecord => ({ custodian: randomUUID(), recordId: randomUUID() });

function newCache(bytesMax = 1_000_000) {
  let now = 0;
  const cache = new MetadataCache({ bytesMax, ttlMs: 1_000, monotonic: () => now });
  return {
    cache,
    wait: (ms: number) => {
      now += ms;
    },
  };
}

describe('MetadataCache', () => {
  test('answers the session and the custodian it was opened for, nobody else', () => {
    const { cache } = newCache();
    const record = newRecord();
    const payload = payloadOf('a');
    cache.put('one', record, decodeMetadata(payload), payload.length);
    cache.putPayload('two', record, payloadOf('b'));
    expect(cache.get('one', record)).toEqual(decodeMetadata(payload));
    expect(cache.get('two', record)).toEqual(decodeMetadata(payloadOf('b')));
    expect(cache.get('three', record)).toBeUndefined();
    expect(cache.get('one', { ...record, custodian: randomUUID() })).toBeUndefined();
    expect(cache.get('one', { ...record, recordId: randomUUID() })).toBeUndefined();
  });

  test('forgets after its time, counted from the last opening', () => {
    const { cache, wait } = newCache();
    const record = newRecord();
    cache.putPayload('s', record, payloadOf('a'));
    wait(999);
    expect(cache.get('s', record)).toBeDefined();
    cache.putPayload('s', record, payloadOf('a'));
    wait(999);
    expect(cache.get('s', record)).toBeDefined();
    wait(1);
    expect(cache.get('s', record)).toBeUndefined();
  });

  test('forgets everything at a flush, and counts it', () => {
    const { cache } = newCache();
    const records = [newRecord(), newRecord()];
    for (const record of records) cache.putPayload('s', record, payloadOf('a'));
    expect(cache.flushes).toBe(0);
    cache.flush();
    expect(cache.flushes).toBe(1);
    for (const record of records) expect(cache.get('s', record)).toBeUndefined();
  });

  test('lets the oldest go first when bytes run out, over all sessions', () => {
    const payload = payloadOf('a');
    // A payload that nobody asked for counts 256 bytes and itself.
    const { cache } = newCache(4 * (256 + payload.length));
    const records = Array.from({ length: 6 }, newRecord);
    for (const [i, record] of records.entries()) {
      cache.putPayload(i % 2 === 0 ? 'even' : 'odd', record, payload);
    }
    const kept = records.map((record, i) => {
      const found = cache.get(i % 2 === 0 ? 'even' : 'odd', record);
      return found !== undefined;
    });
    expect(kept).toEqual([false, false, true, true, true, true]);
  });

  test('putting one again and again holds no more than one', () => {
    const payload = payloadOf('a');
    const { cache } = newCache(2 * (256 + payload.length));
    const [first, often] = [newRecord(), newRecord()];
    cache.putPayload('s', first, payload);
    for (let i = 0; i < 100; i += 1) cache.putPayload('s', often, payload);
    expect(cache.get('s', first)).toBeDefined();
    expect(cache.get('s', often)).toBeDefined();
  });

  test('does what a list of entries would do, in any order of puts, waits and looks', () => {
    const payload = payloadOf('a');
    const room = 5;
    const records = Array.from({ length: 4 }, newRecord);
    const place = fc.tuple(fc.constantFrom('one', 'two'), fc.nat({ max: records.length - 1 }));
    const step = fc.oneof(
      place.map((at) => ({ put: at })),
      place.map((at) => ({ get: at })),
      fc.integer({ min: 1, max: 600 }).map((ms) => ({ wait: ms })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        // Looks make entries larger, which is not what is tried here: they are all of one size.
        const large = 256 + 3 * payload.length;
        const { cache, wait } = newCache(room * large);
        const metadata = decodeMetadata(payload);
        let list: { readonly name: string; readonly until: number }[] = [];
        let now = 0;
        for (const one of steps) {
          if ('wait' in one) {
            wait(one.wait);
            now += one.wait;
            continue;
          }
          const [session, index] = 'put' in one ? one.put : one.get;
          const name = `${session} ${index}`;
          const record = records[index]!;
          if ('put' in one) {
            cache.put(session, record, metadata, payload.length);
            list = list.filter((entry) => entry.name !== name && entry.until > now);
            list = [...list, { name, until: now + 1_000 }].slice(-room);
          } else {
            const known = list.some((entry) => entry.name === name && entry.until > now);
            expect(cache.get(session, record)).toBe(known ? metadata : undefined);
          }
        }
      }),
      { seed: 41, numRuns: 1_000 },
    );
  });

  test('a payload that cannot be read is told, not forgotten', () => {
    const { cache } = newCache();
    const record = newRecord();
    cache.putPayload('s', record, Buffer.from([9, 9, 9]));
    const look = () => cache.get('s', record);
    expect(look).toThrow(expect.objectContaining({ code: 'integrity.format' }));
    expect(look).toThrow(expect.objectContaining({ code: 'integrity.format' }));
  });
});
