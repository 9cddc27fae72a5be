// What a client is told of a failure: a code it knows, and nothing of the inside.
import { describe, expect, test } from '@jest/globals';
import { answerOf } from '../../src/imap/error-answers.ts';
import { GrammarError } from '../../src/imap/wire/grammar-error.ts';
import { ImapError } from '../../src/imap/wire/imap-error.ts';
import { type ErrorCode, errorRegistry, PostsealError } from '../../src/kernel/errors.ts';

const codes = Object.keys(errorRegistry) as ErrorCode[];

describe('answerOf', () => {
  test.each(codes)('%s has an answer that tells nothing of the inside', (code) => {
    const secret = 'ede1a9b0';
    const answer = answerOf(new PostsealError(code, { table: secret }, new Error(secret)));
    expect(answer.status).toBe('NO');
    expect(JSON.stringify(answer)).not.toContain(secret);
    const { retryable } = errorRegistry[code];
    if (retryable && code !== 'access.locked' && code !== 'home.disk-full') {
      // RFC 5530 §3: a limit that was reached is no subsystem that is down.
      expect(answer.code).toBe(code === 'key.limited' ? 'LIMIT' : 'UNAVAILABLE');
    }
  });

  test('a locked name answers like a wrong password', () => {
    const [locked, wrong] = [
      answerOf(new PostsealError('access.locked')),
      answerOf(new PostsealError('access.credentials')),
    ];
    expect(locked).toEqual(wrong);
    expect(wrong.code).toBe('AUTHENTICATIONFAILED');
  });

  test('the client’s fault is BAD and counted, ours is logged', () => {
    expect(answerOf(new GrammarError('expected a flag', 12))).toEqual({
      status: 'BAD',
      code: 'CLIENTBUG',
      text: 'Syntax error at octet 12: expected a flag',
      ours: false,
      clientBug: true,
    });
    expect(answerOf(new TypeError('x is undefined'))).toMatchObject({
      status: 'NO',
      code: 'SERVERBUG',
      ours: true,
    });
    expect(answerOf(new ImapError('NO', null, 'No'))).toMatchObject({ clientBug: false });
  });
});
