// Names of WAL segments follow each other.
import { describe, expect, test } from '@jest/globals';
import {
  continues,
  isHistory,
  isSegment,
  nextSegment,
} from '../../../src/operate/backup/wal-name.ts';

const mib16 = 16_777_216;

describe('WAL names', () => {
  test('the next one carries into the log number', () => {
    expect(nextSegment('000000010000000000000009', mib16)).toBe('00000001000000000000000A');
    expect(nextSegment('0000000100000000000000FF', mib16)).toBe('000000010000000100000000');
    expect(nextSegment('00000001000000FF0000003F', 64 * 1_048_576)).toBe(
      '000000010000010000000000',
    );
  });

  test('a gap, a repetition and another timeline break the line', () => {
    const one = '000000010000000000000001';
    const two = '000000010000000000000002';
    const three = '000000010000000000000003';
    expect(continues(undefined, [one, two, three], mib16)).toBe(true);
    expect(continues(one, [two, three], mib16)).toBe(true);
    expect(continues(one, [], mib16)).toBe(true);
    expect(continues(one, [three], mib16)).toBe(false);
    expect(continues(one, [two, two], mib16)).toBe(false);
    expect(continues(one, ['000000020000000000000002'], mib16)).toBe(false);
    expect(continues(undefined, [one, three], mib16)).toBe(false);
  });

  test('other files of an archive are no segments', () => {
    expect(isSegment('000000010000000000000001')).toBe(true);
    expect(isSegment('000000010000000000000001.00000028.backup')).toBe(false);
    expect(isSegment('archtemp.000000010000000000000001.1.2')).toBe(false);
    expect(isHistory('00000002.history')).toBe(true);
  });
});
