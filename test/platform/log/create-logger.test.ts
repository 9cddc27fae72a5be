// The program log: JSON lines in a private file, and nothing in them that must not be there.
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { PostsealError } from '../../../src/kernel/errors.ts';
import { Secret } from '../../../src/kernel/secret.ts';
import { createLogger } from '../../../src/platform/log/create-logger.ts';
import { logEvents } from '../../../src/platform/log/log-events.ts';

const folder = mkdtempSync(join(tmpdir(), 'postseal-log-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const linesOf = (name: string): Record<string, unknown>[] =>
  readFileSync(join(folder, `${name}.log`), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('createLogger', () => {
  test('writes one JSON line an entry, with the fields of every parent, to a private file', async () => {
    const log = createLogger({ level: 'info', folder, name: 'one', standardError: false });
    const connection = log.child({ connection: 'c1' }).child({ account: 'a1' });
    connection.info('server.state.ready', { workers: 2 });
    connection.debug('imap.tls.failed');
    log.warn('postgres.connection.lost');
    await log.close();
    const lines = linesOf('one');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({
      level: 'info',
      event: 'server.state.ready',
      connection: 'c1',
      account: 'a1',
      workers: 2,
    });
    expect(Object.keys(lines[0] ?? {}).slice(0, 3)).toEqual(['at', 'level', 'event']);
    expect(statSync(join(folder, 'one.log')).mode & 0o777).toBe(0o600);
  });

  test('keeps secrets, bytes and the words of strangers out', async () => {
    const log = createLogger({ level: 'debug', folder, name: 'two', standardError: false });
    const foreign = Object.assign(new Error('duplicate key (name)=(canary-a)'), { code: '23505' });
    log.error('job.run.failed', {
      error: new PostsealError('store.conflict', { table: 'message' }, foreign),
      password: 'canary-b',
      subject: 'canary-c',
      recipients: ['canary-d@example.com'],
      secret: Secret.fromText('canary-e'),
      held: Secret.fromText('canary-f'),
      bytes: Buffer.from('canary-g'),
      url: 'postgresql://postseal:canary-h@localhost/postseal',
      nested: { token: 'canary-i', list: [{ pin: 'canary-j' }] },
    });
    log.error('job.run.failed', { error: new TypeError('x is not a function') });
    log.error('job.run.failed', { error: 'canary is allowed only where the caller put a string' });
    await log.close();
    const [first, second] = linesOf('two');
    expect(JSON.stringify(first)).not.toContain('canary');
    expect(first).toMatchObject({
      bytes: '[8 bytes]',
      error: {
        code: 'store.conflict',
        message: 'The object changed meanwhile.',
        fields: { table: 'message' },
        cause: { name: 'Error', code: '23505' },
      },
    });
    expect(second).toMatchObject({ error: { message: 'x is not a function' } });
  });
});

describe('logEvents', () => {
  test('are named area.noun.past-verb', () => {
    const odd = Object.keys(logEvents).filter(
      (name) => !/^[a-z]+(\.[a-z]+(-[a-z]+)*){2}$/.test(name),
    );
    expect(odd).toEqual([]);
  });
});
