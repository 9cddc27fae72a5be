// Speaks to the running server over its Unix socket as the signed-in person.
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type ErrorCode, errorRegistry, PostsealError } from '../kernel/errors.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below `/api/v1`; values are already percent-encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly json?: unknown;
  /** Raw request body, instead of `json`. Its own error is what the call throws. */
  readonly stream?: AsyncIterable<Uint8Array>;
  /** Sent without a session: signing in itself. */
  readonly anonymous?: boolean;
}

export interface ApiClient {
  /** @throws PostsealError of the server, `server.unreachable` or `server.connection-lost`. */
  call(request: ApiRequest): Promise<unknown>;
  /** JSON lines of a streaming route. */
  lines(request: ApiRequest): AsyncIterable<unknown>;
}

export interface ApiClientOptions {
  readonly socketPath: () => string;
  /** Of the session; undefined when nobody is signed in. */
  readonly token: () => Promise<string | undefined>;
}

function isCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorRegistry, code);
}

function toError(problem: unknown): PostsealError {
  const { code, fields } = (problem ?? {}) as { code?: unknown; fields?: Record<string, string> };
  return new PostsealError(isCode(code) ? code : 'internal', fields ?? {});
}

/** Why the socket failed, in our words. */
function connectionError(error: unknown): PostsealError {
  if (error instanceof PostsealError) return error;
  const { code } = error as NodeJS.ErrnoException;
  const absent = code === 'ENOENT' || code === 'ECONNREFUSED';
  return new PostsealError(absent ? 'server.unreachable' : 'server.connection-lost', {}, error);
}

/** What is wrong with an answer that came whole. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PostsealError('server.connection-lost', {}, error);
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  try {
    for await (const chunk of response) text += String(chunk);
  } catch (error) {
    throw connectionError(error);
  }
  return text;
}

/** The whole path with its query. */
function targetOf({ path, query = {} }: ApiRequest): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) search.set(name, value);
  return `/api/v1${path}${search.size === 0 ? '' : `?${search.toString()}`}`;
}

interface Exchange {
  readonly response: IncomingMessage;
  /** Nothing more is sent or heard. */
  readonly hangUp: () => void;
  /** Throws what the request's own stream threw, if it did. */
  readonly sent: () => void;
}

/** Sends the body; a server that answers early is not sent the rest. */
function sendBody(
  outgoing: ClientRequest,
  request: ApiRequest,
  failed: (e: unknown) => void,
): void {
  const { json, stream } = request;
  if (stream === undefined) {
    outgoing.end(json === undefined ? undefined : JSON.stringify(json));
    return;
  }
  let own: unknown;
  const source = (async function* () {
    try {
      yield* stream;
    } catch (error) {
      own = error;
      throw error;
    }
  })();
  pipeline(Readable.from(source, { objectMode: false }), outgoing).catch((error: unknown) =>
    failed(own ?? connectionError(error)),
  );
}

async function exchange(options: ApiClientOptions, request: ApiRequest): Promise<Exchange> {
  const token = request.anonymous === true ? undefined : await options.token();
  const type = request.stream === undefined ? 'application/json' : 'application/octet-stream';
  const hasBody = request.json !== undefined || request.stream !== undefined;
  const outgoing = httpRequest({
    socketPath: options.socketPath(),
    method: request.method,
    path: targetOf(request),
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(hasBody ? { 'content-type': type } : {}),
    },
  });
  let failure: { readonly error: unknown } | undefined;
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void => {
      failure ??= { error };
      reject(error instanceof Error ? error : new PostsealError('internal', {}, error));
    };
    outgoing.on('response', (response) =>
      resolve({
        response,
        hangUp: () => void outgoing.destroy(),
        sent: () => {
          if (failure !== undefined) throw failure.error;
        },
      }),
    );
    outgoing.on('error', (error) => failed(connectionError(error)));
    sendBody(outgoing, request, failed);
  });
}

const isRefusal = (response: IncomingMessage): boolean => (response.statusCode ?? 500) >= 400;

/** Reads a refusal, and hangs up so that a long request body is not sent on for nothing. */
async function refusal({ response, hangUp }: Exchange): Promise<PostsealError> {
  const text = await textOf(response);
  hangUp();
  return toError(parse(text));
}

async function* readLines({ response, hangUp, sent }: Exchange): AsyncGenerator {
  let rest = '';
  response.setEncoding('utf8');
  try {
    for await (const chunk of response) {
      const parts = `${rest}${String(chunk)}`.split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) {
        const item = parse(part) as { problem?: unknown };
        if (item.problem !== undefined) throw toError(item.problem);
        yield item;
      }
    }
  } catch (error) {
    // What broke the request says more than the answer that broke with it.
    sent();
    throw connectionError(error);
  } finally {
    hangUp();
  }
  sent();
  if (rest !== '') throw new PostsealError('server.connection-lost');
}

export function createApiClient(options: ApiClientOptions): ApiClient {
  return {
    async call(request) {
      const answered = await exchange(options, request);
      if (isRefusal(answered.response)) throw await refusal(answered);
      const text = await textOf(answered.response);
      return text === '' ? null : parse(text);
    },
    async *lines(request) {
      const answered = await exchange(options, request);
      if (isRefusal(answered.response)) throw await refusal(answered);
      yield* readLines(answered);
    },
  };
}
