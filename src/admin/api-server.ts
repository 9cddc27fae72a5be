// Serves the route table with fastify: here on a Unix socket, later over HTTPS with the same table.
// Errors leave as problem+json (problem.ts); an async iterable leaves as JSON lines.
import { chmod, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Dispatch, RouteRequest } from '../access/routes/dispatch.ts';
import type { Route } from '../access/routes/route.ts';
import { localAddress } from '../access/throttle.ts';
import { PostsealError } from '../kernel/errors.ts';
import type { Log } from '../platform/log/log.ts';
import { known, problemOf } from './problem.ts';

export interface ApiServer {
  close(): Promise<void>;
}

const jsonBytesMax = 1_048_576;
/** A name of 320 characters, each percent-encoded as four bytes. */
const parameterCharactersMax = 320 * 12;
const rawBytes = 'application/octet-stream';

function sendProblem(
  reply: FastifyReply,
  error: unknown,
  about: { readonly log: Log; readonly route: string; readonly status?: number },
): FastifyReply {
  const failure = known(error);
  if (failure.code === 'internal') {
    about.log.error('api.request.failed', { route: about.route, error });
  }
  const problem = problemOf(failure, about.status);
  return reply
    .code(problem.status)
    .header('cache-control', 'no-store')
    .type('application/problem+json')
    .send(JSON.stringify(problem));
}

function members(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/**
 * The input of a route from its places. A member stands in one place only: a query beside a JSON body
 * would let a link change what a body says, and passwords do not belong into a query.
 */
function inputOf(route: Route, request: FastifyRequest): Record<string, unknown> {
  const fromQuery = route.method === 'GET' || route.body === 'stream';
  const query = members(request.query);
  const parameters = members(request.params);
  const body = route.body === 'stream' ? {} : members(request.body);
  const given = [...Object.keys(fromQuery ? query : body), ...Object.keys(parameters)];
  const stray = fromQuery ? Object.keys(body) : Object.keys(query);
  if (stray.length > 0 || new Set(given).size !== given.length) {
    throw new PostsealError('usage', { request: 'a member is in the wrong place' });
  }
  return { ...(fromQuery ? query : body), ...parameters };
}

function requestOf(route: Route, request: FastifyRequest): RouteRequest {
  const token = /^Bearer ([\w-]{1,200})$/.exec(request.headers.authorization ?? '')?.[1];
  const base = { token, input: inputOf(route, request), ip: localAddress };
  if (route.body !== 'stream') return base;
  // A handler that stops early must not destroy the request: its answer still has to be read.
  return { ...base, body: request.raw.iterator({ destroyOnReturn: false }) };
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

/**
 * A stream of `lines` that ends them when nobody reads any more. `Readable.from` would throw the loss of the
 * reader into the generator, which would take it for a failure of its own.
 */
function streamOf(lines: AsyncGenerator<string>): Readable {
  return Readable.from({
    [Symbol.asyncIterator]: () => ({
      next: () => lines.next(),
      return: () => lines.return(undefined),
    }),
  });
}

async function* jsonLines(
  items: AsyncIterable<unknown>,
  about: { readonly route: string; readonly log: Log; readonly drain: () => void },
): AsyncGenerator<string> {
  const { route, log, drain } = about;
  try {
    for await (const item of items) yield `${JSON.stringify(item)}\n`;
  } catch (error) {
    // The status line has gone out already: the last line tells how it ended.
    const failure = known(error);
    if (failure.code === 'internal') log.error('api.request.failed', { route, error });
    drain();
    yield `${JSON.stringify({ problem: problemOf(failure) })}\n`;
  }
}

function addRoute(server: FastifyInstance, route: Route, dispatch: Dispatch, log: Log): void {
  const about = { log, route: route.name };
  const raw = route.body === 'stream';
  server.route({
    method: route.method,
    url: `/api/v1${route.path}`,
    // Bytes of a stream are never collected, so they need no limit here.
    ...(raw ? { bodyLimit: Number.MAX_SAFE_INTEGER } : {}),
    onRequest: async (request, reply) => {
      // Anything else would be collected by its parser, without a limit.
      if (!raw || request.headers['content-type'] === rawBytes) return;
      const error = new PostsealError('usage', { request: `the body must be ${rawBytes}` });
      await sendProblem(reply, error, { ...about, status: 415 });
    },
    handler: async (request, reply) => {
      try {
        const answer = await dispatch(route, requestOf(route, request));
        reply.header('cache-control', 'no-store');
        if (isStream(answer)) {
          const lines = jsonLines(answer, { ...about, drain: () => void request.raw.resume() });
          reply.raw.once('close', () => void lines.return(undefined));
          return await reply.type('application/x-ndjson').send(streamOf(lines));
        }
        return await reply.type('application/json').send(JSON.stringify(answer ?? null));
      } catch (error) {
        return sendProblem(reply, error, about);
      }
    },
  });
}

/** What fastify says of a request that never came to a route: malformed, too large, of a wrong type. */
function clientFault(error: unknown): number | undefined {
  const status = (error as { readonly statusCode?: unknown } | undefined)?.statusCode;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined;
}

/** Listens on `socketPath` (mode 0600); a socket file that a crash left behind is replaced. */
export async function startApiServer(options: {
  readonly socketPath: string;
  readonly routes: readonly Route[];
  readonly dispatch: Dispatch;
  readonly log: Log;
}): Promise<ApiServer> {
  const { socketPath, routes, dispatch, log } = options;
  const server = fastify({
    logger: false,
    bodyLimit: jsonBytesMax,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: parameterCharactersMax },
    // A path that cannot be decoded never comes to a route or to the handlers below.
    frameworkErrors: (_error, _request, reply) => {
      const error = new PostsealError('usage', { request: 'malformed' });
      void sendProblem(reply, error, { log, route: 'unknown', status: 400 });
    },
  });
  // Raw bytes are left on the request for routes that stream them.
  server.addContentTypeParser(rawBytes, (_request, _payload, done) => done(null));
  server.setNotFoundHandler((_request, reply) => {
    const error = new PostsealError('usage', { route: 'unknown' });
    return sendProblem(reply, error, { log, route: 'unknown', status: 404 });
  });
  server.setErrorHandler((error, _request, reply) => {
    const status = clientFault(error);
    const about = { log, route: 'unknown' };
    if (status === undefined) return sendProblem(reply, error, about);
    const fault = status === 413 ? 'too large' : 'malformed';
    return sendProblem(reply, new PostsealError('usage', { request: fault }), { ...about, status });
  });
  for (const route of routes) addRoute(server, route, dispatch, log);
  await rm(socketPath, { force: true });
  await server.listen({ path: socketPath });
  await chmod(socketPath, 0o600);
  return { close: () => server.close() };
}
