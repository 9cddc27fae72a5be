// Serves the route table with fastify: here on a Unix socket, later over HTTPS with the same table.
// Errors leave as problem+json (RFC 9457); an async iterable leaves as JSON lines.
import { chmod, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Dispatch, RouteRequest } from '../access/routes/dispatch.ts';
import type { Route } from '../access/routes/route.ts';
import { PostsealError } from '../kernel/errors.ts';
import type { Log } from '../platform/log/log.ts';

export interface ApiServer {
  close(): Promise<void>;
}

/** HTTP status of a problem, by the area or the code of the error. */
const statuses: Readonly<Record<string, number>> = {
  usage: 400,
  'access.signed-out': 401,
  'access.credentials': 401,
  'access.locked': 429,
  'access.denied': 403,
  'access.password-change': 403,
  'access.password-policy': 400,
  'approval.self': 403,
  'account.unknown': 404,
  'person.unknown': 404,
  'approval.unknown': 404,
  internal: 500,
};

function statusOf(error: PostsealError): number {
  return statuses[error.code] ?? (error.retryable ? 503 : 409);
}

/** What a client of the API gets for an error; nothing of a cause is in it. */
export interface Problem {
  readonly code: string;
  readonly title: string;
  readonly hint: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}

function sendProblem(reply: FastifyReply, error: unknown, log: Log): FastifyReply {
  const known = error instanceof PostsealError ? error : new PostsealError('internal', {}, error);
  if (known.code === 'internal') {
    log.error('api.request.failed', {
      reason: error instanceof Error ? (error.stack ?? error.name) : 'thrown',
    });
  }
  const problem: Problem = {
    code: known.code,
    title: known.message,
    hint: known.hint,
    fields: known.fields,
  };
  return reply.code(statusOf(known)).type('application/problem+json').send(JSON.stringify(problem));
}

function members(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function requestOf(route: Route, request: FastifyRequest): RouteRequest {
  const token = /^Bearer ([\w-]{1,200})$/.exec(request.headers.authorization ?? '')?.[1];
  const stream = route.body === 'stream';
  const input = {
    ...members(request.query),
    ...(stream ? {} : members(request.body)),
    ...members(request.params),
  };
  const base = { token, input, ip: 'local' };
  return stream ? { ...base, body: request.raw } : base;
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

async function* jsonLines(items: AsyncIterable<unknown>): AsyncGenerator<string> {
  try {
    for await (const item of items) yield `${JSON.stringify(item)}\n`;
  } catch (error) {
    // The status line has gone out already: the last line tells how it ended.
    const known = error instanceof PostsealError ? error : new PostsealError('internal', {}, error);
    yield `${JSON.stringify({ problem: { code: known.code, title: known.message, hint: known.hint, fields: known.fields } })}\n`;
  }
}

function addRoute(server: FastifyInstance, route: Route, dispatch: Dispatch, log: Log): void {
  server.route({
    method: route.method,
    url: `/api/v1${route.path}`,
    ...(route.body === 'stream' ? { bodyLimit: Number.MAX_SAFE_INTEGER } : {}),
    handler: async (request, reply) => {
      try {
        const answer = await dispatch(route, requestOf(route, request));
        if (isStream(answer)) {
          return await reply.type('application/x-ndjson').send(Readable.from(jsonLines(answer)));
        }
        return await reply.type('application/json').send(JSON.stringify(answer ?? null));
      } catch (error) {
        return sendProblem(reply, error, log);
      }
    },
  });
}

/** Listens on `socketPath` (mode 0600); a socket file that a crash left behind is replaced. */
export async function startApiServer(options: {
  readonly socketPath: string;
  readonly routes: readonly Route[];
  readonly dispatch: Dispatch;
  readonly log: Log;
}): Promise<ApiServer> {
  const { socketPath, routes, dispatch, log } = options;
  const server = fastify({ logger: false, bodyLimit: 1_048_576, forceCloseConnections: true });
  // Raw bytes are left on the request for routes that stream them.
  server.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null));
  server.setNotFoundHandler((_request, reply) =>
    sendProblem(reply, new PostsealError('usage', { route: 'unknown' }), log),
  );
  server.setErrorHandler((error, _request, reply) => {
    const bad =
      typeof error === 'object' &&
      error !== null &&
      'statusCode' in error &&
      Number(error.statusCode) < 500;
    return sendProblem(
      reply,
      bad ? new PostsealError('usage', { request: 'malformed' }) : error,
      log,
    );
  });
  for (const route of routes) addRoute(server, route, dispatch, log);
  await rm(socketPath, { force: true });
  await server.listen({ path: socketPath });
  await chmod(socketPath, 0o600);
  return { close: () => server.close() };
}
