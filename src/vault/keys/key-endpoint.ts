// Where a node finds its key service: the Unix socket of this machine, or another machine by TLS 1.3 with
// certificates on both sides. Plain values, so that they can travel to workers; files are read at each connection, so
// that a renewed certificate needs no restart. The other end: src/vault/service/key-tls.ts.
import { readFileSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface RemoteKeys {
  readonly host: string;
  readonly port: number;
  /** The name that the service's certificate must have. */
  readonly name: string;
  /** Absolute PEM paths: the CA of the service's certificate, and this node's certificate and key. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export type KeyEndpoint =
  { readonly kind: 'socket'; readonly path: string } | ({ readonly kind: 'tls' } & RemoteKeys);

/** Begins to connect; `onReady` is called once calls may be sent. Throws what reading the files throws. */
export function connectEndpoint(endpoint: KeyEndpoint, onReady: () => void): Socket {
  if (endpoint.kind === 'socket') {
    const socket = connectSocket(endpoint.path);
    socket.once('connect', onReady);
    return socket;
  }
  const { host, port, name, ca, certificate, key } = endpoint;
  const socket = connectTls({
    host,
    port,
    servername: name,
    ca: readFileSync(ca),
    cert: readFileSync(certificate),
    key: readFileSync(key),
    minVersion: 'TLSv1.3',
    rejectUnauthorized: true,
  });
  socket.setNoDelay(true);
  socket.once('secureConnect', onReady);
  return socket;
}
