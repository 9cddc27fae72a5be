// What a client of the API gets for an error: problem+json (RFC 9457) with our code, hint and fields. The
// cause stays here, in the log.
import { exitCode, PostsealError } from '../kernel/errors.ts';

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}

/** HTTP status by code; the others follow from what kind of error it is. */
const statuses: Readonly<Record<string, number>> = {
  'access.signed-out': 401,
  'access.credentials': 401,
  'access.locked': 429,
  'access.denied': 403,
  'access.password-change': 403,
  'approval.self': 403,
  'approval.subject': 403,
  'account.unknown': 404,
  'person.unknown': 404,
  'approval.unknown': 404,
  'mailbox.unknown': 404,
  'limit.message-size': 413,
  internal: 500,
};

function statusOf(error: PostsealError): number {
  const given = statuses[error.code];
  if (given !== undefined) return given;
  if (error.exit === exitCode.usage) return 400;
  if (error.exit === exitCode.integrity) return 500;
  return error.retryable ? 503 : 409;
}

/** Anything thrown as an error of the registry. */
export function known(error: unknown): PostsealError {
  return error instanceof PostsealError ? error : new PostsealError('internal', {}, error);
}

export function problemOf(error: PostsealError, status = statusOf(error)): Problem {
  const { code, message: title, hint, fields } = error;
  return { type: `urn:postseal:error:${code}`, title, status, code, hint, fields };
}
