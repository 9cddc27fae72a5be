// The keys of `keyService` that go together: where other machines reach the key service, and where this one does.
import type { SchemaFinding } from '../schema/validator.ts';
import type { Config } from './config.ts';

type Whole = Config['keyService'];

export interface RawKeyService {
  readonly limits: Whole['limits'];
  readonly listen?: Partial<NonNullable<Whole['listen']>>;
  readonly remote?: Partial<NonNullable<Whole['remote']>>;
}

const parts = {
  listen: ['host', 'port', 'certificate', 'key', 'clientCa', 'clients'],
  remote: ['host', 'port', 'name', 'serverCa', 'certificate', 'key'],
} as const;

export function checkKeyService(raw: RawKeyService): SchemaFinding[] {
  const findings: SchemaFinding[] = [];
  for (const name of ['listen', 'remote'] as const) {
    const given = raw[name];
    if (given === undefined) continue;
    for (const part of parts[name]) {
      if (part in given) continue;
      findings.push({ at: `/keyService/${name}`, text: `needs ${part} too` });
    }
  }
  if (raw.listen !== undefined && raw.remote !== undefined) {
    const text = 'does not go with listen: this node has a key service, or uses another';
    findings.push({ at: '/keyService/remote', text });
  }
  return findings;
}

/** With absolute paths; what `checkKeyService` has no findings about is whole. */
export function completeKeyService(
  { limits, listen, remote }: RawKeyService,
  pathAt: (path: string) => string,
): Whole {
  return {
    limits,
    listen: listen === undefined ? undefined : (withPaths(listen, pathAt) as Whole['listen']),
    remote: remote === undefined ? undefined : (withPaths(remote, pathAt) as Whole['remote']),
  };
}

const files = ['certificate', 'key', 'clientCa', 'serverCa'];

function withPaths(part: object, pathAt: (path: string) => string): object {
  return Object.fromEntries(
    Object.entries(part).map(([name, value]): [string, unknown] => [
      name,
      files.includes(name) ? pathAt(String(value)) : value,
    ]),
  );
}
