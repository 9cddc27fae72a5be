// Instants come in as arguments: a pure file never reads a clock.
import type { Brand } from './brand.ts';

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type UnixMs = Brand<number, 'UnixMs'>;

/** RFC 3339 UTC with exactly six fraction digits, as every ledger leaf carries it. */
export function rfc3339Micros(ms: UnixMs, micros = 0): string {
  const iso = new Date(ms).toISOString();
  return `${iso.slice(0, 23)}${String(micros).padStart(3, '0')}Z`;
}

/** Where a server file takes its time from; unit tests inject another one in composition. */
export interface Clock {
  now(): UnixMs;
}
