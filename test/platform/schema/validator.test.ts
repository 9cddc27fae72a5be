// What a schema's findings say to people.
import { describe, expect, test } from '@jest/globals';
import { compileSchema } from '../../../src/platform/schema/validator.ts';

const check = compileSchema({
  type: 'object',
  properties: {
    count: { type: 'string', pattern: '^[1-9]\\d*$', inWords: 'a whole number' },
    wordless: { type: 'string', pattern: '^x+$' },
    outcome: { type: 'string', enum: ['success', 'failure'] },
  },
  additionalProperties: false,
});

describe('findings', () => {
  test.each([
    [{ count: '0' }, [{ at: '/count', text: 'must be a whole number' }]],
    [{ wordless: 'y' }, [{ at: '/wordless', text: 'has not the form that it must have' }]],
    [{ outcome: 'secret' }, [{ at: '/outcome', text: 'must be one of success, failure' }]],
    [{ '/odd~': 1 }, [{ at: '/~1odd~0', text: 'is not known' }]],
    [{ count: 1 }, [{ at: '/count', text: 'must be string' }]],
    [{ count: '7', wordless: 'x', outcome: 'failure' }, []],
  ])('%j', (value, findings) => {
    expect(check(value)).toEqual(findings);
  });
});
