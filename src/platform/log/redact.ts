// What may be written of a value. Redaction is the second line of defence: the first is that nobody
// hands such things to the log.
import { InvariantViolation, PostsealError } from '../../kernel/errors.ts';
import { Secret } from '../../kernel/secret.ts';
import type { LogFields } from './log.ts';

const hidden = '[redacted]';
const secretName =
  /pass(word|phrase|wd)?|secret|token$|^pin$|[a-z]Pin$|credential|authorization|cookie|^auth$|private|apiKey|subject$|^(mail)?body$|^address(es)?$|recipient|^sender$|^from$|^to$/i;
const textMax = 2_000;
const depthMax = 4;

/** Fields as they are written. */
export function redactFields(fields: LogFields): Record<string, unknown> {
  const written: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    written[name] = secretName.test(name) ? hidden : redactValue(value, 0);
  }
  return written;
}

function redactValue(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      return redactText(value);
    case 'number':
    case 'boolean':
      return value;
    case 'bigint':
      return value.toString();
    case 'object':
      return value === null ? null : redactObject(value, depth);
    case 'function':
    case 'symbol':
    case 'undefined':
      return `[${typeof value}]`;
  }
}

function redactObject(value: object, depth: number): unknown {
  if (value instanceof Secret) return hidden;
  if (value instanceof Error) return describeError(value, depth);
  // Bytes are literals, bodies or keys; their number is all that may be known.
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Date) return value.toISOString();
  if (depth >= depthMax) return '[deep]';
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => redactValue(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      secretName.test(name) ? hidden : redactValue(member, depth + 1),
    ]),
  );
}

/** A password in a URL, and text without an end. */
function redactText(text: string): string {
  const short = text.length > textMax ? `${text.slice(0, textMax)}…` : text;
  return short.replace(/(\w+:\/\/[^\s:/@]*):[^\s@]*@/g, `$1:${hidden}@`);
}

/**
 * An error without words of strangers: a database or parser quotes the data that it met. Our own texts
 * and the engine's (TypeError and its like) hold no data.
 */
function describeError(error: Error, depth: number): Record<string, unknown> {
  const ours = error instanceof PostsealError || error instanceof InvariantViolation;
  const engine = ['TypeError', 'RangeError', 'ReferenceError'].includes(error.name);
  const { code, syscall } = error as { code?: unknown; syscall?: unknown };
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return {
    name: error.name,
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof syscall === 'string' ? { syscall } : {}),
    ...(ours || engine ? { message: redactText(error.message) } : {}),
    ...(error instanceof PostsealError ? { fields: redactFields(error.fields) } : {}),
    stack: frames.slice(0, 12).map((line) => line.trim()),
    ...(error.cause === undefined || depth >= depthMax
      ? {}
      : { cause: redactValue(error.cause, depth + 1) }),
  };
}
