// The API over a real Unix socket, with routes of the test's own behind the real server: what comes in
// malformed, too large or in pieces, and what goes out when things fail in the middle.
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type ApiServer, startApiServer } from '../../src/admin/api-server.ts';
import { createApiClient } from '../../src/cli/api-client.ts';
import { PostsealError } from '../../src/kernel/errors.ts';
import { createMemoryLog } from '../harness/memory-log.ts';
import { endless, failures, routes } from './probe-routes.ts';

const log = createMemoryLog();
let loggedBefore = 0;
const logged = () => log.entries.slice(loggedBefore);
const folder = mkdtempSync(join(tmpdir(), 'postseal-api-'));
const socketPath = join(folder, 'api.sock');
let server: ApiServer;
const start = () =>
  startApiServer({
    socketPath,
    routes,
    dispatch: (found, { token, input, ip, body }) => {
      const by = undefined;
      if (found.name === 'test.echo' && token !== undefined) return Promise.resolve({ token, ip });
      return found.run({ input, by, ip, ...(body === undefined ? {} : { body }) });
    },
    log,
  });
beforeAll(async () => {
  // What a crash leaves behind.
  writeFileSync(socketPath, '');
  server = await start();
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  loggedBefore = log.entries.length;
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

function send(
  method: string,
  path: string,
  options: { readonly headers?: Record<string, string>; readonly body?: string | Buffer } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { headers = {}, body } = options;
    const outgoing = httpRequest({ socketPath, method, path, headers }, (response) => {
      let answer = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text: answer }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
const json = { 'content-type': 'application/json' };
const bytes = { 'content-type': 'application/octet-stream' };

describe('the socket', () => {
  test('is for its owner alone, and a new server replaces what a crash left', async () => {
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    await server.close();
    await expect(send('GET', '/api/v1/look/a')).rejects.toMatchObject({ code: 'ENOENT' });
    server = await start();
    expect((await send('GET', '/api/v1/look/a')).status).toBe(200);
  });
});

describe('input', () => {
  test('comes from path and body, or path and query, percent-decoded', async () => {
    const posted = await send('POST', '/api/v1/echo/a%2Fb%20%E2%82%AC', {
      headers: json,
      body: '{"note":"x"}',
    });
    expect(JSON.parse(posted.text)).toEqual({ name: 'a/b €', note: 'x' });
    const looked = await send('GET', '/api/v1/look/a?note=%0Ab');
    expect(JSON.parse(looked.text)).toEqual({ name: 'a', note: '\nb' });
    expect(looked.headers['content-type']).toMatch(/^application\/json\b/);
    expect(looked.headers['cache-control']).toBe('no-store');
  });

  test('a long name is not cut off by the router', async () => {
    const name = '名'.repeat(320);
    const { text: answer } = await send('GET', `/api/v1/look/${encodeURIComponent(name)}`);
    expect(JSON.parse(answer)).toEqual({ name });
  });

  test.each([
    ['a query beside a JSON body', 'POST', '/api/v1/echo/a?note=evil', '{}'],
    ['a body that names the path’s member', 'POST', '/api/v1/echo/a', '{"name":"b"}'],
    ['a query that names the path’s member', 'GET', '/api/v1/look/a?name=b', undefined],
  ])('%s is refused', async (_, method, path, body) => {
    const answer = await send(method, path, body === undefined ? {} : { headers: json, body });
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'usage' });
  });

  test.each([
    ['not JSON', '{"note":', 400],
    ['nothing at all', '', 400],
    ['a prototype', '{"__proto__":{"note":"x"}}', 400],
    ['one byte too many', `{"note":"${'x'.repeat(1_048_576)}"}`, 413],
  ])('%s is refused before any route runs', async (_, body, status) => {
    const answer = await send('POST', '/api/v1/echo/a', { headers: json, body });
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json\b/);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'usage', status });
    expect(logged()).toEqual([]);
  });

  test('a foreign content type is refused, and a stream takes raw bytes only', async () => {
    const foreign = await send('POST', '/api/v1/echo/a', {
      headers: { 'content-type': 'text/xml' },
      body: '<a/>',
    });
    expect(foreign.status).toBe(415);
    const asJson = await send('POST', '/api/v1/count', { headers: json, body: '{}' });
    expect(asJson.status).toBe(415);
    expect(JSON.parse(asJson.text)).toMatchObject({ code: 'usage' });
  });

  test('bytes that are no HTTP end that connection and no other', async () => {
    const answer = await new Promise<string>((resolve) => {
      let heard = '';
      const socket = connect(socketPath, () => socket.write('\x16\x03\x01 EHLO\r\n\r\n'));
      socket.on('data', (chunk) => (heard += chunk.toString('latin1')));
      socket.on('close', () => resolve(heard));
      socket.on('error', () => undefined);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect((await send('GET', '/api/v1/look/a')).status).toBe(200);
  });
});

describe('the token', () => {
  const echoed = async (authorization: string): Promise<unknown> =>
    JSON.parse(
      (await send('POST', '/api/v1/echo/a', { headers: { ...json, authorization }, body: '{}' }))
        .text,
    );
  test.each([
    ['Bearer abc-DEF_123', { token: 'abc-DEF_123', ip: 'local' }],
    ['Bearer a b', { name: 'a' }],
    ['Basic abc', { name: 'a' }],
    ['Bearer ', { name: 'a' }],
    [`Bearer ${'x'.repeat(201)}`, { name: 'a' }],
  ])('of %j', async (header, expected) => {
    expect(await echoed(header)).toEqual(expected);
  });

  test('cannot carry a second header', async () => {
    await expect(echoed('Bearer a\r\nx-evil: 1')).rejects.toThrow(/Invalid character/);
  });
});

describe('problems', () => {
  test.each(Object.entries(failures))('%s', async (how, [code, status]) => {
    const answer = await send('GET', `/api/v1/fail/${how}`);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json\b/);
    expect(JSON.parse(answer.text)).toMatchObject({
      type: `urn:postseal:error:${code}`,
      code,
      status,
      fields: { n: 7 },
    });
    expect(answer.text).not.toContain('private');
  });

  test('a foreign error tells the client nothing and the log enough', async () => {
    const answer = await send('GET', '/api/v1/fail/foreign');
    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'internal', fields: {} });
    expect(answer.text).not.toContain('hunter2');
    expect(logged().map(({ event, fields }) => [event, fields['route']])).toEqual([
      ['api.request.failed', 'test.fail'],
    ]);
  });

  test.each([
    ['GET', '/'],
    ['GET', '/api/v1'],
    ['GET', '/api/v2/look/a'],
    ['DELETE', '/api/v1/look/a'],
    ['HEAD', '/api/v1/look/a'],
    ['GET', '/api/v1/look/a/../../../etc/passwd'],
    ['GET', '/api/v1/look/%zz'],
    ['GET', '/%0d%0aset-cookie:%20x=1'],
  ])('%s %s is nowhere', async (method, path) => {
    const answer = await send(method, path);
    expect([400, 404]).toContain(answer.status);
    expect(answer.headers['set-cookie']).toBeUndefined();
    if (method !== 'HEAD') expect(JSON.parse(answer.text)).toMatchObject({ code: 'usage' });
    expect(answer.text).not.toContain('passwd');
    expect(logged()).toEqual([]);
  });
});

describe('streams', () => {
  const lines = ({
    text: answer,
  }: Answer): { bytes?: number; done?: number; problem?: unknown }[] =>
    answer
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { bytes?: number });

  test('go in as raw bytes beyond any limit of JSON, and out as lines', async () => {
    const body = Buffer.alloc(3_000_000, 7);
    const answer = await send('POST', '/api/v1/count', { headers: bytes, body });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toMatch(/^application\/x-ndjson\b/);
    expect(lines(answer).at(-1)).toEqual({ done: body.length });
  });

  test.each([
    ['known', 'intake.busy', 0],
    ['foreign', 'internal', 1],
  ])('that fail in the middle (%s) say so in their last line', async (until, code, count) => {
    const body = Buffer.alloc(300_000, 7);
    const answer = await send('POST', `/api/v1/count?until=${until}`, { headers: bytes, body });
    expect(answer.status).toBe(200);
    expect(lines(answer).at(-1)?.problem).toMatchObject({ code });
    expect(answer.text).not.toContain('hunter2');
    expect(logged()).toHaveLength(count);
  });

  test('that nobody reads any more are ended', async () => {
    await new Promise<void>((resolve) => {
      const outgoing = httpRequest(
        { socketPath, path: '/api/v1/endless', agent: false },
        (response) => {
          response.once('data', () => response.destroy());
          response.on('error', () => undefined);
          response.once('close', resolve);
        },
      );
      outgoing.on('error', () => undefined);
      outgoing.end();
    });
    while (!endless.ended) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(endless.given).toBeGreaterThan(0);
  });
});

describe('the client of the command line', () => {
  const client = createApiClient({
    socketPath: () => socketPath,
    token: () => Promise.resolve('t'),
  });

  test('gets answers, and errors as they were thrown', async () => {
    expect(await client.call({ method: 'POST', path: '/echo/a', json: {} })).toEqual({
      token: 't',
      ip: 'local',
    });
    await expect(client.call({ method: 'GET', path: '/fail/away' })).rejects.toMatchObject({
      code: 'key.unavailable',
      fields: { n: 7 },
      exit: 1,
    });
  });

  const collect = async (until: string, pieces: AsyncIterable<Uint8Array>): Promise<unknown[]> => {
    const seen: unknown[] = [];
    const request = { method: 'POST', path: '/count', query: { until }, stream: pieces } as const;
    for await (const line of client.lines(request)) seen.push(line);
    return seen;
  };
  async function* pieces(n: number, fail?: Error): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < n; i += 1) {
      yield Buffer.alloc(50_000, i);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (fail !== undefined) throw fail;
  }

  test('streams', async () => {
    expect((await collect('end', pieces(5))).at(-1)).toEqual({ done: 250_000 });
  });

  test('throws the problem of a stream’s last line', async () => {
    await expect(collect('known', pieces(20))).rejects.toMatchObject({ code: 'intake.busy' });
  });

  test('throws what its own source throws', async () => {
    const broken = new PostsealError('home.not-writable');
    await expect(collect('end', pieces(3, broken))).rejects.toBe(broken);
  });

  test('says so when no server is there, or ends in the middle', async () => {
    const nowhere = createApiClient({
      socketPath: () => join(folder, 'none.sock'),
      token: () => Promise.resolve(undefined),
    });
    await expect(nowhere.call({ method: 'GET', path: '/look/a' })).rejects.toMatchObject({
      code: 'server.unreachable',
    });
    const cut = async (): Promise<void> => {
      for await (const line of client.lines({ method: 'GET', path: '/endless' })) {
        if ((line as { n: number }).n > 3) await server.close();
      }
    };
    await expect(cut()).rejects.toMatchObject({ code: 'server.connection-lost' });
    server = await start();
  });
});
