// Where the keys live (keys/README.md, docs/formats/key-hierarchy.md).
import { objectOf, secret, text } from '../fragment.ts';
import type { ConfigFragment } from '../fragment.ts';

export const keysFragment: ConfigFragment = {
  key: 'keys',
  schema: objectOf('The key store.', {
    store: {
      type: 'string',
      description:
        '`pkcs11`: a token; `keyfile`: a sealed file, for development only; `auto`: at the first start what the set-up found on this machine. A home keeps its choice; another one is refused.',
      enum: ['auto', 'pkcs11', 'keyfile'],
    },
    pkcs11: objectOf('A PKCS#11 token.', {
      module: text('Path of the module; absent: where the profile knows it.'),
      profile: {
        type: 'string',
        description: 'A file of `keys/profiles/`, without its ending.',
        pattern: '^[a-z0-9-]{1,64}$',
        inWords: 'at most 64 lower-case letters, digits and hyphens',
      },
      tokenLabel: { ...text('Label of the token.'), maxLength: 32 },
      pin: secret(
        "The user's PIN; absent: made at the first start and kept in the home (software tokens only).",
      ),
    }),
    keyfile: objectOf('A sealed key file.', {
      passphrase: secret(
        'Opens the file; absent: made at the first start and kept in the home (development only).',
      ),
    }),
  }),
  defaults: {
    store: 'auto',
    pkcs11: { profile: 'softhsm2', tokenLabel: 'postseal' },
    keyfile: {},
  },
};
