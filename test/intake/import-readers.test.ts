// What is read from mbox, Maildir and message files, and the frames in between.
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  frameItem,
  type ImportItem,
  normaliseLineEnds,
} from '../../src/intake/import/import-item.ts';
import { maildirFlags, readEml, readMaildir } from '../../src/intake/import/read-files.ts';
import { readable } from '../../src/intake/import/readable.ts';
import { type IncomingItem, LargeBody, readFrames } from '../../src/intake/import/read-frames.ts';
import { readMbox, separatorDate, statusFlags } from '../../src/intake/import/read-mbox.ts';

const scratch = mkdtempSync(join(tmpdir(), 'postseal-import-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function all(items: AsyncIterable<ImportItem>): Promise<ImportItem[]> {
  const out: ImportItem[] = [];
  for await (const item of items) out.push(item);
  return out;
}

function mbox(name: string, text: string): string {
  const path = join(scratch, name);
  writeFileSync(path, text, 'latin1');
  return path;
}

const inbox = { folder: 'INBOX', lineEnds: 'auto' } as const;

describe('what cannot be read', () => {
  const missing = join(scratch, 'nowhere');
  const empty = mkdtempSync(join(scratch, 'empty-'));
  test.each([
    ['a missing mbox', () => readMbox(missing, inbox), missing],
    ['a missing message file', () => readEml([missing], inbox), missing],
    ['a missing Maildir', () => readMaildir(missing, inbox), missing],
    ['a folder that is no Maildir', () => readMaildir(empty, inbox), empty],
    ['a folder in place of an mbox', () => readMbox(empty, inbox), empty],
  ])('%s is told with its path', async (_what, read, path) => {
    await expect(all(readable(read(), path))).rejects.toMatchObject({
      code: 'import.unreadable',
      fields: { path },
    });
  });

  test('a file that is no mbox is told, an empty one has no message', async () => {
    const other = mbox('letter.eml', 'Subject: a letter\n\nFrom here on\n');
    await expect(all(readMbox(other, inbox))).rejects.toMatchObject({ code: 'import.unreadable' });
    expect(await all(readMbox(mbox('none', ''), inbox))).toEqual([]);
  });
});

describe('readMbox', () => {
  test('splits at separators after an empty line and leaves quoted and lookalike lines alone', async () => {
    const path = mbox(
      'two',
      'From a@b Sat Jan  3 01:05:34 1996\nSubject: one\nStatus: RO\n\n>From here on\nFrom the start it was fine\n\nFrom nobody special\n\n' +
        'From c@d Sun Jan  4 01:05:34 1998 +0200\nSubject: two\n\nlast line',
    );
    const items = await all(readMbox(path, inbox));
    expect(items.map((i) => i.bytes.toString())).toEqual([
      'Subject: one\r\nStatus: RO\r\n\r\n>From here on\r\nFrom the start it was fine\r\n\r\nFrom nobody special\r\n',
      'Subject: two\r\n\r\nlast line',
    ]);
    expect(items.map((i) => i.head)).toEqual([
      {
        key: '#1',
        size: items[0]?.bytes.length,
        folder: 'INBOX',
        flags: ['\\Seen'],
        internalDate: Date.UTC(1996, 0, 3, 1, 5, 34),
      },
      {
        key: '#2',
        size: items[1]?.bytes.length,
        folder: 'INBOX',
        flags: [],
        internalDate: Date.UTC(1998, 0, 3, 23, 5, 34),
      },
    ]);
  });

  test('keeps CRLF files and mixed messages byte for byte', async () => {
    const body = 'Subject: x\r\n\r\nbare\nand not\r\n';
    const path = mbox('crlf', `From a@b Sat Jan  3 01:05:34 1996\r\n${body}\r\n`);
    const items = await all(readMbox(path, inbox));
    expect(items.map((i) => i.bytes.toString())).toEqual([body]);
  });

  test('whatever the messages are, splitting a joined file gives them back', async () => {
    const line = fc
      .string({ maxLength: 30 })
      .map((s) => s.replace(/[\r\n]/g, '').replace(/^From /, 'from '));
    const message = fc.array(line, { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 5 }), async (messages) => {
        const text = messages
          .map(
            (lines) =>
              `From x@y Sat Jan  3 01:05:34 1996\n${lines.map((l) => `${l}\n`).join('')}\n`,
          )
          .join('');
        const path = join(scratch, 'property');
        writeFileSync(path, text);
        const items = await all(readMbox(path, { folder: 'F', lineEnds: 'keep' }));
        expect(items.map((i) => i.bytes.toString())).toEqual(
          messages.map((lines) => lines.map((l) => `${l}\n`).join('')),
        );
      }),
      { seed: 7, numRuns: 60 },
    );
  });
});

describe('mbox details', () => {
  test.each([
    ['From a Sat Jan  3 01:05:34 1996', Date.UTC(1996, 0, 3, 1, 5, 34)],
    ['From a Sat Jan  3 01:05 1996', Date.UTC(1996, 0, 3, 1, 5)],
    ['From a Sat Jan  3 01:05:34 PST 1996', Date.UTC(1996, 0, 3, 1, 5, 34)],
    ['From a Sat Jan  3 01:05:34 1996 -0130', Date.UTC(1996, 0, 3, 2, 35, 34)],
    ['From a whenever 1996', undefined],
  ])('%s', (line, date) => {
    expect(separatorDate(line)).toBe(date);
  });

  test('status letters become flags once', () => {
    expect(statusFlags('Status: RO\nX-Status: AFR\n')).toEqual([
      '\\Seen',
      '\\Answered',
      '\\Flagged',
    ]);
  });
});

describe('readMaildir and readEml', () => {
  test('flags come from names, dates from files, folders from Maildir++', async () => {
    const root = join(scratch, 'Maildir');
    for (const folder of ['cur', 'new', 'tmp', '.Work.2024/cur']) {
      mkdirSync(join(root, folder), { recursive: true });
    }
    writeFileSync(join(root, 'cur', '1.x:2,FS'), 'Subject: a\n\n');
    writeFileSync(join(root, 'new', '2.x'), 'Subject: b\n\n');
    writeFileSync(join(root, '.Work.2024', 'cur', '3.x:2,'), 'Subject: c\n\n');
    writeFileSync(join(root, 'tmp', '4.x'), 'unfinished');
    utimesSync(join(root, 'cur', '1.x:2,FS'), 1_000_000, 1_000_000);
    const items = await all(readMaildir(root, inbox));
    expect(items.map(({ head }) => [head.key, head.folder, head.flags])).toEqual([
      ['cur/1.x:2,FS', 'INBOX', ['\\Flagged', '\\Seen']],
      ['new/2.x', 'INBOX', []],
      ['.Work.2024/cur/3.x:2,', 'Work/2024', []],
    ]);
    expect(items[0]?.head.internalDate).toBe(1_000_000_000);
    expect(items[0]?.bytes.toString()).toBe('Subject: a\r\n\r\n');
    expect(maildirFlags('x:2,DPRT')).toEqual(['\\Draft', '$Forwarded', '\\Answered', '\\Deleted']);
  });

  test('a folder of .eml files is read in name order and kept as it is', async () => {
    const root = join(scratch, 'eml');
    mkdirSync(join(root, 'below'), { recursive: true });
    writeFileSync(join(root, 'b.eml'), 'B: 1\n\n');
    writeFileSync(join(root, 'below', 'a.EML'), 'A: 1\n\n');
    writeFileSync(join(root, 'notes.txt'), 'no mail');
    const items = await all(readEml([root], { folder: 'INBOX', lineEnds: 'keep' }));
    expect(items.map((i) => [i.head.key, i.bytes.toString()])).toEqual([
      ['b.eml', 'B: 1\n\n'],
      ['below/a.EML', 'A: 1\n\n'],
    ]);
  });
});

describe('frames', () => {
  const item = (key: string, bytes: Buffer): ImportItem => ({
    head: { key, size: bytes.length, folder: 'INBOX', flags: ['\\Seen'] },
    bytes,
  });

  async function* chunked(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += size) {
      yield await Promise.resolve(bytes.subarray(at, at + size));
    }
  }

  /** Reads bodies that come in pieces as their turn comes. */
  async function whole(items: AsyncIterable<IncomingItem>): Promise<ImportItem[]> {
    const out: ImportItem[] = [];
    for await (const { head, bytes } of items) {
      if (!(bytes instanceof LargeBody)) {
        out.push({ head, bytes });
        continue;
      }
      const pieces: Buffer[] = [];
      for await (const piece of bytes) pieces.push(piece);
      out.push({ head, bytes: Buffer.concat(pieces) });
    }
    return out;
  }

  test('come back however the stream is cut, whole or in pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 6 }),
        fc.integer({ min: 1, max: 64 }),
        async (bodies, size) => {
          const items = bodies.map((body, i) => item(`#${i}`, Buffer.from(body)));
          const stream = chunked(Buffer.concat(items.flatMap(frameItem)), size);
          const limits = { sizeMax: 1_000, wholeMax: 100 };
          expect(await whole(readFrames(stream, limits))).toEqual(items);
        },
      ),
      { seed: 11, numRuns: 60 },
    );
  });

  test('an item over the limit comes without its bytes, and the next one is whole', async () => {
    const stream = chunked(
      Buffer.concat(
        [item('big', Buffer.alloc(500)), item('small', Buffer.from('x'))].flatMap(frameItem),
      ),
      33,
    );
    const items = await whole(readFrames(stream, { sizeMax: 100, wholeMax: 10 }));
    expect(items.map((i) => [i.head.key, i.head.size, i.bytes.length])).toEqual([
      ['big', 500, 0],
      ['small', 1, 1],
    ]);
  });

  test.each([
    ['garbage\n', 'not JSON'],
    ['{"key":1}\n', 'wrong members'],
    ['null\n', 'no object'],
    ['{"key":"a","size":-1,"folder":"INBOX","flags":[]}\n', 'a negative size'],
    ['{"key":"a","size":5,"folder":"INBOX","flags":[]}\nabc', 'cut off'],
  ])('%j is refused: %s', async (text) => {
    const stream = () => chunked(Buffer.from(text), 7);
    for (const wholeMax of [0, 100]) {
      const frames = readFrames(stream(), { sizeMax: 100, wholeMax });
      await expect(whole(frames)).rejects.toMatchObject({ code: 'usage' });
    }
  });

  test.each([
    [Date.parse('1969-07-20T20:17:40Z'), true],
    [Date.parse('9999-12-31T23:59:59Z'), true],
    [Date.parse('9999-12-31T23:59:59Z') + 1_000, false],
    [Date.parse('-000001-12-31T00:00:00Z'), false],
    [Number.MAX_SAFE_INTEGER, false],
    [1.5, false],
  ])('a date that no client could be told is as good as none: %d', async (internalDate, kept) => {
    const head = { key: 'a', size: 0, folder: 'INBOX', flags: [], internalDate };
    const stream = chunked(Buffer.from(`${JSON.stringify(head)}\n`), 100);
    const [read] = await whole(readFrames(stream, { sizeMax: 100, wholeMax: 100 }));
    expect(read?.head.internalDate).toBe(kept ? internalDate : undefined);
  });

  test('a large item that is let go, at its beginning or within, is skipped to its end', async () => {
    const items = ['a', 'b', 'c', 'd'].map((key) => item(key, Buffer.alloc(50, key)));
    const stream = chunked(Buffer.concat(items.flatMap(frameItem)), 9);
    const seen: string[] = [];
    for await (const { head, bytes } of readFrames(stream, { sizeMax: 100, wholeMax: 10 })) {
      if (!(bytes instanceof LargeBody)) throw new Error('it is large');
      if (head.key === 'a') bytes.letGo();
      else
        for await (const piece of bytes) {
          seen.push(piece.toString());
          if (head.key !== 'd') break;
        }
    }
    expect(seen.slice(0, 2).map((text) => text[0])).toEqual(['b', 'c']);
    expect(seen.slice(2).join('')).toBe('d'.repeat(50));
  });
});

describe('normaliseLineEnds', () => {
  test.each([
    ['a\nb\n', 'auto', 'a\r\nb\r\n'],
    ['a\r\nb\n', 'auto', 'a\r\nb\n'],
    ['a\rb', 'auto', 'a\rb'],
    ['\n\nx', 'auto', '\r\n\r\nx'],
    ['a\nb\n', 'keep', 'a\nb\n'],
  ] as const)('%j in mode %s', (given, mode, wanted) => {
    expect(normaliseLineEnds(Buffer.from(given), mode).toString()).toBe(wanted);
  });
});
