// The configuration for people and for the ledger: printed with secrets redacted, and as a digest for
// the before and after of `config.changed`.
import { createHash } from 'node:crypto';
import type { Config } from './config.ts';

/** Pretty JSON of the effective configuration; a Secret prints as `[redacted]`. */
export function describeConfig(config: Config): string {
  return JSON.stringify(config, undefined, 2);
}

/** SHA-256 (hex) over the redacted configuration with sorted keys. */
export function configDigest(config: Config): string {
  const plain: unknown = JSON.parse(JSON.stringify(config));
  return createHash('sha256')
    .update(JSON.stringify(sorted(plain)))
    .digest('hex');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([one], [two]) => (one < two ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  );
}
