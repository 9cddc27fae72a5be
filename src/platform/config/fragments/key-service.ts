// How much of its keys the key service gives (docs/security/key-device.md "The key service").
import { objectOf, text, whole } from '../fragment.ts';
import type { ConfigFragment } from '../fragment.ts';

const namePattern =
  '^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$';
const most = 1_000_000_000;

export const keyServiceFragment: ConfigFragment = {
  key: 'keyService',
  schema: objectOf('The key service.', {
    listen: objectOf(
      'Nodes on other machines reach this key service by TLS 1.3 with certificates on both sides; absent: only this machine does. All of it, or nothing.',
      {
        host: text('Address to listen on.'),
        port: whole('Port; 0 picks a free one.', 0, 65_535),
        certificate: text("PEM file of the service's certificate."),
        key: text('PEM file of its private key.'),
        clientCa: text("PEM file of the CA that signs nodes' certificates, and nothing else."),
        clients: {
          type: 'array',
          description: "Names of nodes: DNS names, one of which a node's certificate must have.",
          minItems: 1,
          maxItems: 256,
          items: { ...text('A name.'), pattern: namePattern, inWords: 'a DNS name, without *' },
        },
      },
    ),
    remote: objectOf(
      'The key service of another machine, used in place of one of this node; absent: this node runs its own. All of it, or nothing.',
      {
        host: text('Its address.'),
        port: whole('Its port.', 1, 65_535),
        name: {
          ...text("DNS name that the service's certificate must have."),
          pattern: namePattern,
          inWords: 'a DNS name, without *',
        },
        serverCa: text("PEM file of the CA of the service's certificate."),
        certificate: text("PEM file of this node's certificate."),
        key: text('PEM file of its private key.'),
      },
    ),
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
