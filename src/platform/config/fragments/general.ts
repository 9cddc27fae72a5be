// Keys that stand alone: home, production, workers, organisation, database, log.
import { flag, objectOf, secret, text, whole } from '../fragment.ts';
import type { ConfigFragment } from '../fragment.ts';
import { logLevels } from '../config.ts';

export const generalFragments: readonly ConfigFragment[] = [
  {
    key: 'home',
    schema: text(
      'Folder of all state; relative to the configuration file. `POSTSEAL_HOME` wins over it.',
    ),
    defaults: './var',
  },
  {
    key: 'production',
    schema: flag(
      'Refuses what is fit for trials only: software tokens and key files without a signed exception, delays of 0.',
    ),
    defaults: false,
  },
  {
    key: 'workers',
    schema: whole('Worker processes with IMAP and LMTP listeners; 0: one a core.', 0, 256),
    defaults: 0,
  },
  {
    key: 'organisation',
    schema: objectOf('Made at the first start; later changes are made with the CLI.', {
      name: text('Name of the organisation.'),
      domain: {
        ...text('Its first mail domain.'),
        pattern:
          '^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$',
        inWords: 'a domain of letters, digits, hyphens and dots, such as example.com',
      },
    }),
    defaults: { name: 'Example', domain: 'example.com' },
  },
  {
    key: 'database',
    schema: objectOf('PostgreSQL 15 or later.', {
      url: secret(
        'A `postgresql://` URL; absent: the embedded server of the home. `DATABASE_URL` wins over it.',
      ),
    }),
    defaults: {},
  },
  {
    key: 'log',
    schema: objectOf('The program log; it may be lost, the ledger may not.', {
      level: { type: 'string', description: 'Least severe level written.', enum: [...logLevels] },
    }),
    defaults: { level: 'info' },
  },
];
