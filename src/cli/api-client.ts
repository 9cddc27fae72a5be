// Speaks to the running server over its Unix socket as the signed-in person.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { type ErrorCode, errorRegistry, PostsealError } from '../kernel/errors.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below `/api/v1`; values are already percent-encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly json?: unknown;
  /** Raw request body, instead of `json`. */
  readonly stream?: Readable;
}

export interface ApiClient {
  /** @throws PostsealError of the server, or `server.unreachable`. */
  call(request: ApiRequest): Promise<unknown>;
  /** JSON lines of a streaming route. */
  lines(request: ApiRequest): AsyncIterable<unknown>;
}

function isCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorRegistry, code);
}

function toError(problem: unknown): PostsealError {
  const { code, fields } = (problem ?? {}) as { code?: unknown; fields?: Record<string, string> };
  return new PostsealError(isCode(code) ? code : 'internal', fields ?? {});
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += String(chunk);
  return text;
}

export function createApiClient(options: {
  readonly socketPath: () => string;
  readonly token: () => string | undefined;
}): ApiClient {
  const send = (request: ApiRequest): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries(request.query ?? {})) {
        if (value !== undefined) query.set(name, value);
      }
      const search = query.size === 0 ? '' : `?${query.toString()}`;
      const token = options.token();
      const type = request.stream === undefined ? 'application/json' : 'application/octet-stream';
      const hasBody = request.json !== undefined || request.stream !== undefined;
      const outgoing = httpRequest({
        socketPath: options.socketPath(),
        method: request.method,
        path: `/api/v1${request.path}${search}`,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(hasBody ? { 'content-type': type } : {}),
        },
      });
      outgoing.on('response', resolve);
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        const gone = error.code === 'ENOENT' || error.code === 'ECONNREFUSED';
        reject(new PostsealError(gone ? 'server.unreachable' : 'internal', {}, error));
      });
      if (request.stream !== undefined) request.stream.pipe(outgoing);
      else outgoing.end(request.json === undefined ? undefined : JSON.stringify(request.json));
    });
  return {
    async call(request) {
      const response = await send(request);
      const text = await textOf(response);
      const body: unknown = text === '' ? null : JSON.parse(text);
      if ((response.statusCode ?? 500) >= 400) throw toError(body);
      return body;
    },
    async *lines(request) {
      const response = await send(request);
      if ((response.statusCode ?? 500) >= 400) throw toError(JSON.parse(await textOf(response)));
      let rest = '';
      response.setEncoding('utf8');
      for await (const chunk of response) {
        const parts = `${rest}${String(chunk)}`.split('\n');
        rest = parts.pop() ?? '';
        for (const part of parts) {
          const item = JSON.parse(part) as { problem?: unknown };
          if (item.problem !== undefined) throw toError(item.problem);
          yield item;
        }
      }
    },
  };
}
