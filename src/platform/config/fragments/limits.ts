// Limits from the first byte on: what a stranger on a socket can make us hold or do.
import { messageBytesDefault } from '../../../kernel/limits.ts';
import { objectOf, whole } from '../fragment.ts';
import type { ConfigFragment } from '../fragment.ts';

const gibibyte = 1_073_741_824;

export const limitsFragment: ConfigFragment = {
  key: 'limits',
  schema: objectOf('Limits.', {
    messageBytes: whole('Largest message in octets.', 1_024, gibibyte),
    literalBytes: whole(
      'Largest IMAP literal before sign-in and outside APPEND.',
      1_024,
      16_777_216,
    ),
    lineBytes: whole('Longest IMAP command line in octets.', 1_024, 1_048_576),
    connections: whole('Open connections a worker.', 1, 1_000_000),
    connectionsPerAddress: whole(
      'Open connections a client address, in each worker process.',
      1,
      1_000_000,
    ),
    connectionsPerAccount: whole(
      'Open IMAP sessions an account, in each worker process.',
      1,
      100_000,
    ),
    loginSeconds: whole('Time to sign in before the connection is closed.', 1, 3_600),
    idleMinutes: whole(
      'Silence after which a session is closed (RFC 9051: at least 30).',
      30,
      1_440,
    ),
    recipientsPerMessage: whole('LMTP recipients of one message.', 1, 10_000),
    memoryCacheBytes: whole(
      'Decoded metadata and mailbox state kept by a worker.',
      1_048_576,
      64 * gibibyte,
    ),
  }),
  defaults: {
    messageBytes: messageBytesDefault,
    literalBytes: 65_536,
    lineBytes: 65_536,
    connections: 10_000,
    connectionsPerAddress: 1_000,
    connectionsPerAccount: 100,
    loginSeconds: 60,
    idleMinutes: 30,
    recipientsPerMessage: 1_000,
    memoryCacheBytes: 268_435_456,
  },
};
