// Where Postseal listens, with what certificate, and who may sign in without one.
import { flag, objectOf, text, whole } from '../fragment.ts';
import type { ConfigFragment } from '../fragment.ts';
import type { ListenerName } from '../config.ts';

interface ListenerDefault {
  readonly port: number;
  readonly enabled: boolean;
  readonly what: string;
}

/** Ports of the contract. */
const listeners: Readonly<Record<ListenerName, ListenerDefault>> = {
  imap: { port: 1143, enabled: true, what: 'IMAP with STARTTLS.' },
  imaps: { port: 1993, enabled: true, what: 'IMAP over TLS.' },
  lmtp: { port: 1024, enabled: true, what: 'LMTP, from a mail server that is trusted.' },
  smtp: { port: 2525, enabled: false, what: 'SMTP for journal reports.' },
  console: { port: 8443, enabled: false, what: 'Console and API over HTTPS.' },
  metrics: { port: 9464, enabled: true, what: 'Prometheus metrics, `/healthz` and `/readyz`.' },
};

const entries = Object.entries(listeners);

export const listenerFragments: readonly ConfigFragment[] = [
  {
    key: 'listeners',
    schema: objectOf(
      'Loopback unless another address is named.',
      Object.fromEntries(
        entries.map(([name, { what }]) => [
          name,
          objectOf(what, {
            enabled: flag(`Whether it listens. ${what}`),
            host: text('Address to listen on.'),
            port: whole('Port; 0 picks a free one, which the ready line names.', 0, 65_535),
          }),
        ]),
      ),
    ),
    defaults: Object.fromEntries(
      entries.map(([name, { port, enabled }]) => [name, { enabled, host: '127.0.0.1', port }]),
    ),
  },
  {
    key: 'tls',
    schema: objectOf('Replaced while running when the files change.', {
      certificate: text(
        'PEM chain; absent: a self-signed one is made in the home and renewed there.',
      ),
      key: text('PEM private key of the certificate.'),
      minVersion: {
        type: 'string',
        description: 'Least TLS version.',
        enum: ['TLSv1.2', 'TLSv1.3'],
      },
    }),
    defaults: { minVersion: 'TLSv1.3' },
  },
  {
    key: 'imap',
    schema: objectOf('IMAP.', {
      allowCleartextLoopback: flag('Lets clients on this very machine sign in without TLS.'),
    }),
    defaults: { allowCleartextLoopback: false },
  },
];
