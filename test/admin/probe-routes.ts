// Routes of the tests' own for the real API server: they echo, fail in every way, count and never end.
import { objectSchema, type Route, route } from '../../src/access/routes/route.ts';
import { PostsealError } from '../../src/kernel/errors.ts';

const text = { type: 'string' };
/** What happened to the endless answer: whether its end was heard of. */
export const endless = { given: 0, ended: false };

export const failures = {
  usage: ['usage', 400],
  signedOut: ['access.signed-out', 401],
  denied: ['access.denied', 403],
  unknown: ['account.unknown', 404],
  locked: ['access.locked', 429],
  conflict: ['role.conflict', 409],
  away: ['key.unavailable', 503],
  damaged: ['integrity.tag', 500],
  policy: ['access.password-policy', 400],
} as const;

export const routes: readonly Route[] = [
  route<{ name: string; note?: string }>({
    name: 'test.echo',
    method: 'POST',
    path: '/echo/:name',
    summary: 'Answers its input',
    access: 'anyone',
    input: objectSchema({ name: text, note: text }, ['note']),
    run: ({ input }) => Promise.resolve(input),
  }),
  route<{ name: string; note?: string }>({
    name: 'test.look',
    method: 'GET',
    path: '/look/:name',
    summary: 'Answers its input',
    access: 'anyone',
    input: objectSchema({ name: text, note: text }, ['note']),
    run: ({ input }) => Promise.resolve(input),
  }),
  route<{ how: keyof typeof failures | 'foreign' }>({
    name: 'test.fail',
    method: 'GET',
    path: '/fail/:how',
    summary: 'Fails',
    access: 'anyone',
    input: objectSchema({ how: text }),
    run({ input }) {
      if (input.how === 'foreign') throw new Error('the password is hunter2');
      throw new PostsealError(failures[input.how][0], { n: 7 }, new Error('a private reason'));
    },
  }),
  route<{ until?: string }>({
    name: 'test.count',
    method: 'POST',
    path: '/count',
    summary: 'Counts raw bytes, a line a piece, and may fail in the middle',
    access: 'anyone',
    body: 'stream',
    input: objectSchema({ until: text }, ['until']),
    run: ({ input, body }) =>
      Promise.resolve(
        (async function* () {
          let bytes = 0;
          for await (const piece of body ?? []) {
            bytes += piece.length;
            yield { bytes };
            if (input.until === 'known' && bytes > 100_000) throw new PostsealError('intake.busy');
            if (input.until === 'foreign' && bytes > 100_000) throw new Error('hunter2');
          }
          yield { done: bytes };
        })(),
      ),
  }),
  route({
    name: 'test.endless',
    method: 'GET',
    path: '/endless',
    summary: 'Never ends by itself',
    access: 'anyone',
    input: objectSchema({}),
    run: () =>
      Promise.resolve(
        (async function* () {
          try {
            for (;;) {
              endless.given += 1;
              yield { n: endless.given };
              await new Promise((resolve) => setImmediate(resolve));
            }
          } finally {
            endless.ended = true;
          }
        })(),
      ),
  }),
];
