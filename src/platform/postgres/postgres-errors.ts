// One place turns what the driver throws into the archive's own errors. The SQLSTATE goes along; the
// server's text never does, because DETAIL may hold values of rows.
// Source: PostgreSQL manual, appendix A (SQLSTATE classes).
import { PostsealError } from '../../kernel/errors.ts';
import type { ErrorCode, ErrorFields } from '../../kernel/errors.ts';

/** Errors of the socket or of a client that was ended under a query. */
const unreachable = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

const bySqlState: Readonly<Record<string, ErrorCode>> = {
  '23505': 'store.conflict',
  '23503': 'store.conflict',
  '25P02': 'store.aborted',
  '40001': 'store.aborted',
  '40P01': 'store.aborted',
  '55P03': 'store.aborted',
  '57014': 'store.aborted',
  '53100': 'home.disk-full',
  // A wrap under a group key that was destroyed meanwhile (migration 0010).
  PS002: 'store.conflict',
  // A deletion before the restore report is signed (migration 0013).
  PS003: 'restore.unsigned',
};

const byClass: Readonly<Record<string, ErrorCode>> = {
  '08': 'database.unreachable',
  '28': 'database.unreachable',
  '53': 'database.unreachable',
  '57': 'database.unreachable',
  '3D': 'database.unreachable',
};

/** Maps any error of pg or TypeORM; a PostsealError goes through untouched. */
export function mapPostgresError(error: unknown, fields: ErrorFields = {}): PostsealError {
  if (error instanceof PostsealError) return error;
  const { code, constraint, table } = databaseFields(error);
  const where = {
    ...fields,
    ...(code === undefined ? {} : { sqlState: code }),
    ...(constraint === undefined ? {} : { constraint }),
    ...(table === undefined ? {} : { table }),
  };
  return new PostsealError(errorCode(code, error), where, error);
}

/** The SQLSTATE (or errno name) of an error, wherever the layers above put it. */
export function sqlStateOf(error: unknown): string | undefined {
  if (error instanceof PostsealError) {
    const known = error.fields['sqlState'];
    return typeof known === 'string' ? known : sqlStateOf(error.cause);
  }
  return databaseFields(error).code;
}

function errorCode(code: string | undefined, error: unknown): ErrorCode {
  if (code !== undefined) {
    if (unreachable.has(code)) return 'database.unreachable';
    return bySqlState[code] ?? byClass[code.slice(0, 2)] ?? 'internal';
  }
  const text = error instanceof Error ? error.message : '';
  // pg gives these two no code.
  return /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error/.test(
    text,
  )
    ? 'database.unreachable'
    : 'internal';
}

interface DatabaseFields {
  readonly code: string | undefined;
  readonly constraint: string | undefined;
  readonly table: string | undefined;
}

function databaseFields(error: unknown): DatabaseFields {
  if (typeof error !== 'object' || error === null) {
    return { code: undefined, constraint: undefined, table: undefined };
  }
  const { code, constraint, table, driverError, errors } = error as Record<string, unknown>;
  // Node joins the failures of several addresses; TypeORM wraps the driver's error.
  if (code === undefined && driverError !== undefined) return databaseFields(driverError);
  if (code === undefined && Array.isArray(errors)) return databaseFields(errors[0]);
  return { code: text(code), constraint: text(constraint), table: text(table) };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
