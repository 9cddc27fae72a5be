// The framing of commands: literals of every kind, limits, and the same result for any chunking.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  CommandReader,
  type LiteralDecision,
  type ReaderEvent,
} from '../../../src/imap/wire/command-reader.ts';
import type { RawCommand } from '../../../src/imap/wire/raw-command.ts';

const latin = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

const show = (command: RawCommand): string =>
  command.segments
    .map((s) =>
      s.kind === 'text' ? latin(s.bytes) : `<${s.bytes === null ? 'gone' : latin(s.bytes)}>`,
    )
    .join('');

/** Runs the reader over chunks and shows what came out; `decide` answers each literal. */
function readAll(
  chunks: readonly (string | Uint8Array)[],
  decide: (event: Extract<ReaderEvent, { kind: 'literal' }>) => LiteralDecision = () => 'buffer',
  reader = new CommandReader({ lineBytesMax: 64 }),
): string[] {
  const out: string[] = [];
  let streamed = '';
  for (const chunk of chunks) {
    reader.push(typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk);
    for (let event = reader.next(); event !== null; event = reader.next()) {
      if (event.kind === 'command') out.push(show(event.command));
      if (event.kind === 'line') out.push(`line:${latin(event.bytes)}`);
      if (event.kind === 'too-long') out.push(`too-long:${show(event.head).slice(0, 4)}`);
      if (event.kind === 'literal') {
        if (event.literal.synchronising) out.push('+');
        reader.decide(decide(event));
      }
      if (event.kind === 'literal-chunk') streamed += latin(event.bytes);
      if (event.kind === 'literal-end') {
        out.push(`streamed:${streamed}`);
        streamed = '';
      }
    }
  }
  return out;
}

describe('CommandReader', () => {
  test.each([
    ['a plain line', 'a NOOP\r\n', ['a NOOP']],
    ['a bare line feed', 'a NOOP\nb NOOP\r\n', ['a NOOP', 'b NOOP']],
    ['empty lines', '\r\n\na NOOP\r\n\r\n', ['a NOOP']],
    ['a synchronising literal', 'a LOGIN {3}\r\nbob x\r\n', ['+', 'a LOGIN <bob> x']],
    ['two literals', 'a LOGIN {3+}\r\nbob {2+}\r\npw\r\n', ['a LOGIN <bob> <pw>']],
    ['literal8', 'a APPEND x ~{2+}\r\n\0\n\r\n', ['a APPEND x <\0\n>']],
    ['an empty literal at the end', 'a X {0+}\r\n\r\nb Y\r\n', ['a X <>', 'b Y']],
    ['a literal that holds lines', 'a X {9+}\r\nb NOOP\r\n\n\r\n', ['a X <b NOOP\r\n\n>']],
    ['braces that are no marker', 'a X {12} y\r\nb {x}\r\n', ['a X {12} y', 'b {x}']],
  ])('frames %s', (_name, input, expected) => {
    expect(readAll([input])).toEqual(expected);
    expect(readAll(Array.from(input))).toEqual(expected);
  });

  test('streams a literal without keeping it and goes on with the command', () => {
    const input = 'a APPEND x {10}\r\n0123456789 y\r\nb NOOP\r\n';
    const expected = ['+', 'streamed:0123456789', 'a APPEND x <gone> y', 'b NOOP'];
    expect(readAll([input], () => 'stream')).toEqual(expected);
    expect(readAll(Array.from(input), () => 'stream')).toEqual(expected);
  });

  test('drops a refused command: nothing is expected of a synchronising client', () => {
    expect(readAll(['a X {99}\r\nb NOOP\r\n'], () => 'refuse')).toEqual(['+', 'b NOOP']);
  });

  test('skips a refused non-synchronising literal, the rest of its line and further literals', () => {
    const input = 'a X {5+}\r\nb NOO tail {3+}\r\nxyz end\r\nc NOOP\r\n';
    expect(readAll([input], () => 'refuse')).toEqual(['c NOOP']);
    expect(readAll(Array.from(input), () => 'refuse')).toEqual(['c NOOP']);
  });

  test('reports a line over the limit once, skips it and a literal that it announces', () => {
    const long = `a ${'x'.repeat(500)} {7+}\r\nb NOOP\n more\r\nc NOOP\r\n`;
    expect(readAll([long])).toEqual(['too-long:a xx', 'c NOOP']);
    expect(readAll(Array.from(long))).toEqual(['too-long:a xx', 'c NOOP']);
  });

  test('counts the text around literals against the limit, not the literals', () => {
    const literal = 'x'.repeat(500);
    expect(readAll([`a X {500+}\r\n${literal} y\r\n`])).toEqual([`a X <${literal}> y`]);
    const many = `a ${`{1+}\r\nx `.repeat(30)}\r\nb NOOP\r\n`;
    expect(readAll([many])[0]).toMatch(/^too-long:/);
  });

  test('takes exactly the limit and refuses one octet more', () => {
    expect(readAll([`${'a'.repeat(64)}\n`])).toEqual(['a'.repeat(64)]);
    expect(readAll([`${'a'.repeat(65)}\n`])).toEqual(['too-long:aaaa']);
  });

  test('gives out one raw line on request, markers and all', () => {
    const reader = new CommandReader({ lineBytesMax: 64 });
    reader.readLine();
    expect(readAll(['AGE= {3}\r\nb NOOP\r\n'], undefined, reader)).toEqual([
      'line:AGE= {3}',
      'b NOOP',
    ]);
  });

  test('takes a raw line back and reads it as a command before what follows', () => {
    const reader = new CommandReader({ lineBytesMax: 64 });
    reader.readLine();
    reader.push(Buffer.from('a X {2+}\r\nhi y\r\nb NOOP\r\n'));
    const event = reader.next();
    if (event?.kind === 'line') reader.unreadLine(event.bytes);
    expect(readAll([''], undefined, reader)).toEqual(['a X <hi> y', 'b NOOP']);
    expect(reader.pendingBytes).toBe(0);
  });

  test('forgets everything that was buffered before a TLS handshake', () => {
    const reader = new CommandReader({ lineBytesMax: 64 });
    reader.push(Buffer.from('a STARTTLS\r\nb LOGIN x y\r\nc NO'));
    expect(reader.next()?.kind).toBe('command');
    reader.discard();
    expect(reader.next()).toBeNull();
    expect(reader.pendingBytes).toBe(0);
    expect(readAll(['d NOOP\r\n'], undefined, reader)).toEqual(['d NOOP']);
  });

  test('treats a size beyond all numbers as a literal, so that it can be refused', () => {
    let size = 0;
    readAll(['a X {99999999999999999999+}\r\n'], ({ literal }) => {
      size = literal.size;
      return 'refuse';
    });
    expect(size).toBe(Number.MAX_SAFE_INTEGER);
  });

  test('any chunking yields the same commands', () => {
    const piece = fc.oneof(
      fc.constantFrom('a NOOP\r\n', '\r\n', 'b X "q {3}"\n', 'c {0+}\r\n\r\n', '\n'),
      fc
        .tuple(fc.string({ maxLength: 20 }), fc.constantFrom('', '+'), fc.constantFrom('', '~'))
        .map(([s, plus, tilde]) => {
          const bytes = Buffer.from(s, 'utf8');
          return `d X ${tilde}{${bytes.length}${plus}}\r\n${bytes.toString('latin1')} t\r\n`;
        }),
      fc.string({ unit: 'binary-ascii', maxLength: 90 }),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }),
        fc.array(fc.nat(40), { maxLength: 40 }),
        fc.constantFrom<LiteralDecision>('buffer', 'stream', 'refuse'),
        (pieces, cuts, decision) => {
          const whole = pieces.join('');
          const chunks: string[] = [];
          let at = 0;
          for (const cut of cuts) {
            chunks.push(whole.slice(at, at + cut));
            at += cut;
          }
          chunks.push(whole.slice(at));
          expect(readAll(chunks, () => decision)).toEqual(readAll([whole], () => decision));
        },
      ),
      { seed: 7, numRuns: 500 },
    );
  });
});
