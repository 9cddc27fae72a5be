// The configuration of the body store: what goes together, what production refuses, and secrets apart.
import { describe, expect, test } from '@jest/globals';
import { Secret } from '../../../src/kernel/secret.ts';
import {
  checkBodies,
  completeBodies,
  type RawBodies,
} from '../../../src/platform/config/bodies-config.ts';
import { findProblems } from '../../../src/platform/config/load-config.ts';

const base = { region: 'eu-1', prefix: '', pathStyle: true, cacheBytes: 1_048_576 };
const whole: RawBodies = {
  store: 's3',
  s3: {
    ...base,
    lock: 'compliance',
    endpoint: 'https://s3.example.com',
    bucket: 'bodies',
    accessKeyId: { env: 'ID' },
    secretAccessKey: { file: 'secret' },
  },
};
const at = (findings: readonly { readonly at: string }[]): string[] => findings.map((f) => f.at);

describe('bodies', () => {
  test('in a bucket need the bucket and both halves of the account; packs need nothing', () => {
    const s3 = { ...base, lock: 'compliance' } as const;
    expect(at(checkBodies({ store: 's3', s3 }, false))).toEqual([
      '/bodies/s3/bucket',
      '/bodies/s3/accessKeyId',
      '/bodies/s3/secretAccessKey',
    ]);
    expect(checkBodies({ store: 'packs', s3 }, true)).toEqual([]);
    expect(checkBodies(whole, true)).toEqual([]);
  });

  test('production refuses a bucket without a lock and a network without TLS', () => {
    const weak: RawBodies = {
      ...whole,
      s3: { ...whole.s3, lock: 'off', endpoint: 'http://s3.example.com' },
    };
    expect(checkBodies(weak, false)).toEqual([]);
    expect(at(checkBodies(weak, true))).toEqual(['/bodies/s3/lock', '/bodies/s3/endpoint']);
  });

  test('never show their secrets', () => {
    const made = completeBodies(whole, (_source, pointer) => Secret.fromText(`of ${pointer}`));
    expect(made).toMatchObject({ store: 's3', s3: { bucket: 'bodies', lock: 'compliance' } });
    expect(JSON.stringify(made)).not.toContain('of /bodies');
  });

  test('secrets in clear, strange buckets and paths in the endpoint are findings', () => {
    const problems = findProblems({
      bodies: {
        store: 's3',
        s3: {
          bucket: 'UPPER',
          endpoint: 'https://user:word@s3.example.com/path',
          prefix: '/a//b',
          secretAccessKey: 'in clear',
        },
      },
    });
    expect(new Set(at(problems))).toEqual(
      new Set([
        '/bodies/s3/bucket',
        '/bodies/s3/endpoint',
        '/bodies/s3/prefix',
        '/bodies/s3/secretAccessKey',
      ]),
    );
    expect(JSON.stringify(problems)).not.toMatch(/in clear|user:word/);
  });
});
