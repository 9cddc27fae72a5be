// Errors on their way from the key service to a node: code and fields, never a cause.
import {
  errorRegistry,
  IntegrityError,
  PostsealError,
  type ErrorCode,
  type ErrorFields,
} from '../../kernel/errors.ts';

/** What is no PostsealError becomes `internal`; its text stays in the service's log. */
export function encodeError(error: unknown): Buffer {
  const known = error instanceof PostsealError ? error : new PostsealError('internal');
  return Buffer.from(JSON.stringify({ code: known.code, fields: known.fields }));
}

export function decodeError(payload: Buffer): PostsealError {
  const { code, fields } = JSON.parse(payload.toString('utf8')) as {
    code: string;
    fields: ErrorFields;
  };
  return reviveError(code, fields);
}

/** An error from its code and fields; integrity failures keep their class. */
export function reviveError(code: string, fields: ErrorFields, cause?: unknown): PostsealError {
  if (!Object.hasOwn(errorRegistry, code)) {
    return new PostsealError('internal', { ...fields, code }, cause);
  }
  if (code.startsWith('integrity.')) {
    const known = code as Extract<ErrorCode, `integrity.${string}`>;
    return new IntegrityError(known, fields, cause);
  }
  return new PostsealError(code as ErrorCode, fields, cause);
}
