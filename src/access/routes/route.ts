// The route table: what the server can be asked by the command line and, later, over HTTPS. One row
// is one act with its roles, its input schema and its handler; rooms hand their rows up and the
// composition lists them. docs/reference/cli.md and OpenAPI are computed from it.
import type { JsonSchema } from '../../platform/schema/validator.ts';
import type { PersonSession } from '../person-actor.ts';
import type { Role } from '../roles.ts';

/** Who may call: anyone at the socket, anyone signed in, or the holders of one of these roles. */
export type RouteAccess = 'anyone' | 'signed-in' | readonly Role[];

export interface RouteCall<Input> {
  readonly input: Input;
  /** The person; undefined only on routes for `anyone`. */
  readonly by: PersonSession | undefined;
  /** Address of the caller; `local` on the Unix socket. */
  readonly ip: string;
  /** Raw bytes of the request, only on routes with `body: 'stream'`. */
  readonly body?: AsyncIterable<Uint8Array>;
}

export interface Route {
  /** For logs, the ledger and the generated client: `account.create`. */
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below `/api/v1`, with `:name` parameters that are members of the input. */
  readonly path: string;
  readonly summary: string;
  readonly access: RouteAccess;
  /** Allowed while a one-time password waits to be changed. */
  readonly beforePasswordChange?: boolean;
  /** Path parameters, query and JSON body as one object. */
  readonly input: JsonSchema;
  /** `stream`: the request body is raw bytes, and the input comes from path and query alone. */
  readonly body?: 'json' | 'stream';
  /** A JSON value, or an async iterable whose items are sent as JSON lines. */
  readonly run: (call: RouteCall<unknown>) => Promise<unknown>;
}

/** Binds the handler's input type; the schema has checked it before `run` is called. */
export function route<Input>(
  spec: Omit<Route, 'run'> & {
    readonly run: (call: RouteCall<Input>) => Promise<unknown>;
  },
): Route {
  // The validator of `input` stands between the wire and `run`, so the type is what the schema says.
  return { ...spec, run: (call) => spec.run(call as RouteCall<Input>) };
}

/** An object schema in which every property is required unless it is named in `optional`. */
export function objectSchema(
  properties: Readonly<Record<string, JsonSchema>>,
  optional: readonly string[] = [],
): JsonSchema {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties).filter((name) => !optional.includes(name)),
    additionalProperties: false,
  };
}

export const noInput: JsonSchema = objectSchema({});

/** An id as the lists show it (RFC 9562, lower case). */
export const uuidSchema: JsonSchema = {
  type: 'string',
  pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$',
  inWords: 'an id as it is listed: 36 characters such as 01980000-0000-7000-8000-000000000000',
};
