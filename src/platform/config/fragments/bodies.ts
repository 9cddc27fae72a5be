// Where sealed bodies lie (docs/formats/pack.md, docs/formats/s3.md).
import { flag, objectOf, secret, text, whole } from '../fragment.ts';
import type { ConfigFragment } from '../fragment.ts';

export const bodiesFragment: ConfigFragment = {
  key: 'bodies',
  schema: objectOf('Where sealed bodies lie.', {
    store: {
      type: 'string',
      description:
        '`packs`: files in the home; `s3`: objects in a bucket. A home keeps its choice; another one is refused.',
      enum: ['packs', 's3'],
    },
    s3: objectOf('A bucket, with `bodies.store` `s3`.', {
      endpoint: {
        ...text('URL of the service; absent: AWS, by region.'),
        pattern: '^https?://[^/?#@]+/?$',
        inWords: 'a URL such as https://s3.example.com, without a path',
      },
      region: text('Region of the bucket; most services beside AWS take any.'),
      bucket: {
        ...text('The bucket, which must exist; with Object Lock unless `lock` is `off`.'),
        pattern: '^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$',
        inWords: 'a bucket name of 3 to 63 lower-case letters, digits, dots and hyphens',
      },
      prefix: {
        type: 'string',
        description: 'Begins every key; another one for each home that shares a bucket.',
        pattern: '^([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?$',
        inWords: 'names of letters, digits, dots and hyphens, with single slashes between them',
        maxLength: 512,
      },
      pathStyle: flag('The bucket stands in the path in place of the host name.'),
      accessKeyId: secret('Access key id.'),
      secretAccessKey: secret('Secret access key.'),
      lock: {
        type: 'string',
        description:
          '`compliance`: bodies that the law keeps are locked, and every start proves that the bucket can; `off`: nothing is locked, not with production true.',
        enum: ['compliance', 'off'],
      },
      cacheBytes: whole(
        'Ciphertext that each process keeps of what it read or wrote a moment ago.',
        1_048_576,
        17_179_869_184,
      ),
    }),
  }),
  defaults: {
    store: 'packs',
    s3: {
      region: 'us-east-1',
      prefix: '',
      pathStyle: true,
      lock: 'compliance',
      cacheBytes: 33_554_432,
    },
  },
};
