// The seam of the program log. An entry is a typed event name and fields, never a sentence with values
// in it. No subject, address, body or secret; ids, counts, durations, codes.
import type { LogEvent } from './log-events.ts';

export type { LogEvent } from './log-events.ts';

export type LogValue = string | number | boolean | null | undefined | readonly (string | number)[];

/** `error` may hold any thrown value: it is written as code, fields and stack, without foreign text. */
export interface LogFields {
  readonly [name: string]: unknown;
  readonly error?: unknown;
}

/** error: a human must act. warn: degraded but handled. info: a state change. debug: the wire. */
export interface Log {
  error(event: LogEvent, fields?: LogFields): void;
  warn(event: LogEvent, fields?: LogFields): void;
  info(event: LogEvent, fields?: LogFields): void;
  debug(event: LogEvent, fields?: LogFields): void;
  /** A log whose entries all carry `fields` (connection, account, job). */
  child(fields: LogFields): Log;
}
