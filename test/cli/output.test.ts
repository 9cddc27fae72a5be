// What people see: tables that line up in any script, and nothing that moves the cursor.
import { describe, expect, test } from '@jest/globals';
import { displayWidth, printable, tableLines } from '../../src/cli/output.ts';
import { createStopSignals } from '../../src/app/stop-signals.ts';

describe('printable', () => {
  test.each([
    ['plain text, 名字, é, 🙂', 'plain text, 名字, é, 🙂'],
    ['red \u001b[31malert', 'red \\u{1b}[31malert'],
    ['bell\u0007 back\b', 'bell\\u{7} back\\u{8}'],
    ['turned \u202egnp.exe', 'turned \\u{202e}gnp.exe'],
    ['over\rwritten', 'over\\u{d}written'],
    ['C1 \u009b31m', 'C1 \\u{9b}31m'],
  ])('%j', (text, expected) => {
    expect(printable(text)).toBe(expected);
  });
});

describe('tableLines', () => {
  test('pads by what a terminal shows, wide characters and combining marks included', () => {
    const lines = tableLines(
      [
        { name: '王小明', n: 1 },
        { name: 'e\u0301mile', n: 22 },
        { name: 'ann', n: null },
      ],
      ['name', 'n'],
    );
    expect(lines).toEqual(['NAME    N', '王小明  1', 'e\u0301mile   22', 'ann']);
    expect(displayWidth('王小明')).toBe(6);
  });

  test('keeps a cell on its line', () => {
    const lines = tableLines(
      [{ a: 'one\ntwo', b: ['x', 'y'], c: { k: '\u001b' } }],
      ['a', 'b', 'c'],
    );
    expect(lines).toHaveLength(2);
    expect(lines[1]).toBe('one\\ntwo  x, y  {"k":"\\u001b"}');
  });

  test('of nothing is its head', () => {
    expect(tableLines([], ['name'])).toEqual(['NAME']);
  });
});

describe('createStopSignals', () => {
  test('two that come together are one wish; a third forces', () => {
    const signals = createStopSignals();
    expect([0, 1_900, 1_950].map((at) => signals.heard(at))).toEqual(['stop', 'same', 'force']);
  });

  test('a second one much later is a wish of its own', () => {
    const signals = createStopSignals();
    expect([0, 2_000].map((at) => signals.heard(at))).toEqual(['stop', 'force']);
  });
});
