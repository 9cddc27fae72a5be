// How much of its keys the key service gives (docs/security/key-device.md "The key service").
import { objectOf, whole } from '../fragment.ts';
import type { ConfigFragment } from '../fragment.ts';

const most = 1_000_000_000;

export const keyServiceFragment: ConfigFragment = {
  key: 'keyService',
  schema: objectOf('The key service.', {
    limits: objectOf(
      'Keys that it opens or wraps in a time; what is more is refused, and an alert.',
      {
        sessionPerSecond: whole('Keys of one session for one purpose in a second.', 1, most),
        sessionPerMinute: whole('The same in a minute.', 1, most),
        clientPerSecond: whole(
          'Keys of one client for one purpose or operation in a second: all processes of this machine, or a node by the name in its certificate.',
          1,
          most,
        ),
        clientPerMinute: whole('The same in a minute.', 1, most),
      },
    ),
  }),
  defaults: {
    limits: {
      sessionPerSecond: 100_000,
      sessionPerMinute: 3_000_000,
      clientPerSecond: 400_000,
      clientPerMinute: 12_000_000,
    },
  },
};
