// The key service for other machines: TLS 1.3, a client certificate of the configured CA, and in it one of the
// configured names (docs/security/key-device.md "On another machine"). Nothing of the protocol is read before.
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { PostsealError } from '../../kernel/errors.ts';
import { type ServeDeps, serveConnection } from './key-socket.ts';

export interface KeyListener {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Absolute PEM paths: the service's certificate and key, and the CA of the nodes' certificates. */
  readonly certificate: string;
  readonly key: string;
  readonly clientCa: string;
  /** DNS names of nodes; a certificate must have one of them. */
  readonly clients: readonly string[];
}

export interface KeyTlsDeps extends ServeDeps {
  readonly listener: KeyListener;
  /** Somebody who is no node wanted in: why, by the name of its certificate or nobody's. */
  readonly onStranger: (reason: StrangerReason, error: PostsealError) => void;
}

export type StrangerReason = 'certificate' | 'name' | 'run-out';

export interface KeyTls {
  readonly port: number;
  close(): Promise<void>;
}

const handshakeMsMax = 10_000;
const connectionsMax = 1_024;
/** How soon renewed files are taken. */
const renewMs = 60_000;
/** The longest that a timer takes. */
const timerMsMax = 2_147_483_647;

/** @throws PostsealError `config.invalid` for files that are no certificate, key or CA; what listening throws. */
export async function openKeyTls(deps: KeyTlsDeps): Promise<KeyTls> {
  const { listener, onStranger, onError } = deps;
  const sockets = new Set<TLSSocket>();
  const server = createTls(listener);
  server.maxConnections = connectionsMax;
  server.on('secureConnection', (socket) => {
    const name = nameOf(socket, listener.clients);
    if ('refused' in name) {
      socket.destroy();
      onStranger(name.refused, refusal(name.refused));
      return;
    }
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    endWithCertificate(socket, name.until);
    serveConnection(socket, deps, name.client);
  });
  await listen(server, listener);
  server.on('error', onError);
  const timer = setInterval(() => {
    try {
      server.setSecureContext(contextOf(listener));
    } catch (error) {
      // Those that were read before go on.
      onError(new PostsealError('key.unavailable', { reason: 'certificate' }, error));
    }
  }, renewMs).unref();
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      clearInterval(timer);
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function refusal(finding: StrangerReason): PostsealError {
  return new PostsealError('key.refused', { reason: 'stranger', finding });
}

function contextOf({ certificate, key, clientCa }: KeyListener) {
  return {
    cert: readFileSync(certificate),
    key: readFileSync(key),
    ca: readFileSync(clientCa),
    minVersion: 'TLSv1.3',
  } as const;
}

function createTls(listener: KeyListener): Server {
  try {
    return createServer({
      ...contextOf(listener),
      requestCert: true,
      // Whoever has no certificate that counts is told apart, recorded and let go in `nameOf`.
      rejectUnauthorized: false,
      handshakeTimeout: handshakeMsMax,
    });
  } catch (error) {
    const finding = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new PostsealError('config.invalid', { '/keyService/listen': finding }, error);
  }
}

function listen(server: Server, { host, port }: KeyListener): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Which configured node this is; a connection that resumes an older one is looked at in the same way. */
function nameOf(
  socket: TLSSocket,
  clients: readonly string[],
): { client: string; until: number } | { refused: StrangerReason } {
  const certificate = socket.getPeerX509Certificate();
  const until = Date.parse(certificate?.validTo ?? '');
  if (certificate !== undefined && !(until > Date.now())) return { refused: 'run-out' };
  if (!socket.authorized || certificate === undefined) return { refused: 'certificate' };
  const exact = { subject: 'never', wildcards: false } as const;
  const client = clients.find((name) => certificate.checkHost(name, exact) !== undefined);
  return client === undefined ? { refused: 'name' } : { client, until };
}

/** A connection does not outlive the certificate that it came with. */
function endWithCertificate(socket: TLSSocket, until: number): void {
  const left = Math.min(until - Date.now(), timerMsMax);
  const timer = setTimeout(() => socket.destroy(), left).unref();
  socket.on('close', () => {
    clearTimeout(timer);
  });
}
