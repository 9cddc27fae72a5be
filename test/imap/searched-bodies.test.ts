// What searches keep of opened mail: for one session, a minute, so many bytes, and not over a flush.
import { afterEach, describe, expect, test } from '@jest/globals';
import { SearchedBodies } from '../../src/imap/searched-bodies.ts';

const [mine, another] = [{}, {}];
let now = 0;
let made: SearchedBodies[] = [];

function create(bytesMax = 1_000_000): SearchedBodies {
  const searched = new SearchedBodies({ bytesMax, monotonic: () => now, ttlMs: 60_000 });
  made.push(searched);
  return searched;
}

afterEach(() => {
  for (const searched of made) searched.close();
  made = [];
});

describe('SearchedBodies', () => {
  test('gives a body to the session that opened it, until its time is over', () => {
    const searched = create();
    const body = Buffer.from('text');
    searched.put(mine, 'r1', body, searched.flushes);
    expect(searched.get(mine, 'r1')).toBe(body);
    expect(searched.get(another, 'r1')).toBeUndefined();
    expect(searched.get(mine, 'r2')).toBeUndefined();
    now += 60_000;
    expect(searched.get(mine, 'r1')).toBeUndefined();
  });

  test('asking does not lengthen the time', () => {
    const searched = create();
    searched.put(mine, 'r1', Buffer.from('text'), searched.flushes);
    now += 59_999;
    expect(searched.get(mine, 'r1')).toBeDefined();
    now += 1;
    expect(searched.get(mine, 'r1')).toBeUndefined();
  });

  test('a flush empties it, and what was opened before the flush does not come in after it', () => {
    const searched = create();
    const { flushes } = searched;
    searched.put(mine, 'r1', Buffer.from('text'), flushes);
    searched.flush();
    expect(searched.get(mine, 'r1')).toBeUndefined();
    expect(searched.bytes).toBe(0);
    searched.put(mine, 'r2', Buffer.from('text'), flushes);
    expect(searched.get(mine, 'r2')).toBeUndefined();
  });

  test('the end of a session frees what it held and nothing else', () => {
    const searched = create();
    searched.put(mine, 'r1', Buffer.alloc(1_000), searched.flushes);
    searched.put(another, 'r1', Buffer.alloc(1_000), searched.flushes);
    const held = searched.bytes;
    searched.forget(mine);
    expect(searched.bytes).toBe(held / 2);
    expect(searched.get(another, 'r1')).toBeDefined();
    searched.forget(another);
    expect(searched.bytes).toBe(0);
  });

  test('when it is full, a long search does not push out its own beginning', () => {
    const searched = create(100_000);
    for (let i = 0; i < 100; i += 1) searched.put(mine, `r${i}`, Buffer.alloc(5_000), 0);
    expect(searched.bytes).toBeLessThanOrEqual(100_000);
    expect(searched.get(mine, 'r0')).toBeDefined();
    expect(searched.get(mine, 'r99')).toBeUndefined();
    now += 60_000;
    searched.put(mine, 'r99', Buffer.alloc(5_000), 0);
    expect(searched.get(mine, 'r99')).toBeDefined();
    expect(searched.bytes).toBeLessThan(20_000);
  });

  test('what searching makes of a body counts too, and a body without room for it goes', () => {
    const searched = create(20_000);
    searched.put(mine, 'r1', Buffer.alloc(1_000), 0);
    searched.put(mine, 'r2', Buffer.alloc(1_000), 0);
    const held = searched.bytes;
    searched.grown(mine, 'r1', 4_000);
    searched.grown(mine, 'r1', 5_000);
    expect(searched.bytes).toBe(held + 5_000);
    searched.grown(mine, 'r2', 15_000);
    expect(searched.get(mine, 'r2')).toBeUndefined();
    expect(searched.get(mine, 'r1')).toBeDefined();
    expect(searched.bytes).toBeLessThanOrEqual(20_000);
    searched.grown(mine, 'r9', 1);
    searched.forget(mine);
    expect(searched.bytes).toBe(0);
  });

  test('the same body again counts once', () => {
    const searched = create();
    searched.put(mine, 'r1', Buffer.alloc(1_000), 0);
    const held = searched.bytes;
    searched.put(mine, 'r1', Buffer.alloc(1_000), 0);
    expect(searched.bytes).toBe(held);
  });
});
