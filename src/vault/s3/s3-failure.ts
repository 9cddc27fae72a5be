// Turns what the S3 client throws into the error that callers act on (object-store.ts). Neither the request
// nor the answer's text comes along: only the name that the service gave and its status.
import { PostsealError } from '../../kernel/errors.ts';

interface S3Shape {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

const shapeOf = (error: unknown): S3Shape =>
  typeof error === 'object' && error !== null ? error : {};

/** HTTP status of the answer; undefined if there was none. */
export function statusOf(error: unknown): number | undefined {
  return shapeOf(error).$metadata?.httpStatusCode;
}

/** The service does not know this operation: not every store of this kind has every part of S3. */
export function isNotImplemented(error: unknown): boolean {
  return statusOf(error) === 501 || shapeOf(error).name === 'NotImplemented';
}

/** There is no such object, version or setting. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404;
}

/** The error of a call that was tried often enough. */
export function s3Failure(operation: string, cause: unknown): PostsealError {
  if (cause instanceof PostsealError) return cause;
  const { name, code } = shapeOf(cause);
  const status = statusOf(cause);
  const known = typeof code === 'string' ? code : typeof name === 'string' ? name : 'unknown';
  // A name is a word of the protocol or the system; anything else could quote what it must not.
  const reason = /^[A-Za-z0-9_]{1,48}$/.test(known) ? known : 'unknown';
  const about = { operation, reason, ...(status === undefined ? {} : { status }) };
  // Elsewhere a 404 is an upload that was ended, which a repetition may make good.
  if (operation === 'get' && isMissing(cause) && reason !== 'NoSuchBucket') {
    return new PostsealError('store.object-missing', about, cause);
  }
  return new PostsealError('store.unreachable', about, cause);
}
