// The configuration of the body store: what its fragment cannot say, and its completed form.
import type { Secret } from '../../kernel/secret.ts';
import type { SchemaFinding } from '../schema/validator.ts';
import type { SecretSource } from './secret-source.ts';

export interface S3BodiesConfig {
  /** Undefined: AWS. */
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly pathStyle: boolean;
  readonly accessKeyId: Secret;
  readonly secretAccessKey: Secret;
  readonly lock: 'compliance' | 'off';
  readonly cacheBytes: number;
}

export type BodiesConfig =
  { readonly store: 'packs' } | { readonly store: 's3'; readonly s3: S3BodiesConfig };

export interface RawBodies {
  readonly store: BodiesConfig['store'];
  readonly s3: Pick<S3BodiesConfig, 'region' | 'prefix' | 'pathStyle' | 'lock' | 'cacheBytes'> & {
    readonly endpoint?: string;
    readonly bucket?: string;
    readonly accessKeyId?: SecretSource;
    readonly secretAccessKey?: SecretSource;
  };
}

export function checkBodies({ store, s3 }: RawBodies, production: boolean): SchemaFinding[] {
  if (store !== 's3') return [];
  const findings: SchemaFinding[] = [];
  for (const name of ['bucket', 'accessKeyId', 'secretAccessKey'] as const) {
    if (s3[name] === undefined) {
      findings.push({ at: `/bodies/s3/${name}`, text: 'is missing, for bodies.store is s3' });
    }
  }
  if (production && s3.lock !== 'compliance') {
    findings.push({ at: '/bodies/s3/lock', text: 'must be compliance when production is true' });
  }
  if (production && s3.endpoint?.startsWith('http:') === true) {
    findings.push({ at: '/bodies/s3/endpoint', text: 'must be https when production is true' });
  }
  return findings;
}

/** Of a configuration that `checkBodies` found nothing about. */
export function completeBodies(
  { store, s3 }: RawBodies,
  secretAt: (source: SecretSource | undefined, pointer: string) => Secret | undefined,
): BodiesConfig {
  if (store === 'packs') return { store };
  const accessKeyId = secretAt(s3.accessKeyId, '/bodies/s3/accessKeyId');
  const secretAccessKey = secretAt(s3.secretAccessKey, '/bodies/s3/secretAccessKey');
  const { endpoint, bucket } = s3;
  if (bucket === undefined || accessKeyId === undefined || secretAccessKey === undefined) {
    throw new Error('checkBodies has not been asked');
  }
  return { store, s3: { ...s3, endpoint, bucket, accessKeyId, secretAccessKey } };
}
