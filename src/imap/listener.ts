// The two doors: IMAP with STARTTLS, and IMAP over TLS (RFC 9051 §11, RFC 8314). Counts connections, in
// all and by address, from the first byte; shuts down by saying BYE.
import { createServer as createPlainServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import type { AddressInfo } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { stranger } from '../access/refusals.ts';
import { listenError } from '../platform/config/listen-error.ts';
import { AccountSessions } from './account-sessions.ts';
import { Connection } from './connection.ts';
import type { ImapDeps, ImapRuntime, ListenerKind } from './deps.ts';
import { SearchPool } from './search-pool.ts';
import { SearchedBodies } from './searched-bodies.ts';

export interface ListenAddress {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

export interface ImapServerOptions {
  readonly imap?: ListenAddress;
  readonly imaps?: ListenAddress;
  /** Certificate and key for `imaps`; `deps.secureContext` serves STARTTLS. */
  readonly tls?: SecureContextOptions;
}

export interface ImapServer {
  readonly imap: AddressInfo | undefined;
  readonly imaps: AddressInfo | undefined;
  readonly connections: number;
  /** Takes a renewed certificate for connections to come. */
  renewCertificate(tls: SecureContextOptions): void;
  /** Hangs up one session by its id; false if there is none. */
  kick(sessionId: string): Promise<boolean>;
  /** Takes no more connections, says BYE to all and waits until they are gone. */
  close(): Promise<void>;
}

/** Time for clients to go after BYE. */
const farewellMs = 2_000;

class ConnectionTable {
  readonly #deps: ImapRuntime;
  readonly #open = new Map<
    Connection,
    { readonly socket: Socket; readonly served: Promise<void> }
  >();
  readonly #byAddress = new Map<string, number>();
  readonly #sessions: AccountSessions;

  constructor(deps: ImapRuntime) {
    this.#deps = deps;
    this.#sessions = new AccountSessions(deps.settings.sessionsPerAccountMax);
  }

  get size(): number {
    return this.#open.size;
  }

  take(socket: Socket, listener: ListenerKind): void {
    const address = socket.remoteAddress ?? 'unknown';
    const { connectionsMax, connectionsPerAddressMax } = this.#deps.settings;
    const held = this.#byAddress.get(address) ?? 0;
    if (this.#open.size >= connectionsMax || held >= connectionsPerAddressMax) {
      const reason = held >= connectionsPerAddressMax ? 'connections-per-address' : 'connections';
      void this.#refuse(socket, { listener, address, reason });
      return;
    }
    this.#byAddress.set(address, held + 1);
    const connection = new Connection(socket, { listener, sessions: this.#sessions }, this.#deps);
    const served = connection.serve().finally(() => {
      this.#open.delete(connection);
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#byAddress.set(address, left);
      else this.#byAddress.delete(address);
    });
    this.#open.set(connection, { socket, served });
  }

  /** Never rejects. A ledger that does not answer in time gets the connection cut without a word. */
  async #refuse(
    socket: Socket,
    refused: { readonly listener: ListenerKind; readonly address: string; readonly reason: string },
  ): Promise<void> {
    const { listener, address, reason } = refused;
    socket.on('error', () => socket.destroy());
    setTimeout(() => socket.destroy(), farewellMs).unref();
    try {
      await this.#deps.refusals.tell({
        ...{ op: 'access.denied', outcome: 'denied', actor: stranger, objects: [], peer: address },
        fields: { listener, reason },
      });
      socket.end('* BYE [LIMIT] Too many connections\r\n');
    } catch (error) {
      this.#deps.log.warn('imap.refusal.unrecorded', { error });
      socket.destroy();
    }
  }

  async kick(sessionId: string): Promise<boolean> {
    for (const connection of this.#open.keys()) {
      if (connection.session.id !== sessionId) continue;
      await connection.goodbye('Signed out by an administrator');
      return true;
    }
    return false;
  }

  async closeAll(): Promise<void> {
    const open = [...this.#open];
    await Promise.all(
      open.map(([connection]) => connection.goodbye('The server is shutting down')),
    );
    const late = setTimeout(() => {
      for (const [, { socket }] of this.#open) socket.destroy();
    }, farewellMs);
    await Promise.all(open.map(([, { served }]) => served));
    clearTimeout(late);
  }
}

/** Opens the listeners. @throws PostsealError `home.port-taken`, `config.listener`. */
export async function startImapServer(
  deps: ImapDeps,
  options: ImapServerOptions,
): Promise<ImapServer> {
  const searches = new SearchPool();
  const searched = new SearchedBodies({
    bytesMax: deps.settings.searchedBytesMax,
    monotonic: () => performance.now(),
  });
  const unhook = deps.archive.onFlush(() => searched.flush());
  const table = new ConnectionTable({ ...deps, searches, searched });
  const servers: Server[] = [];
  let secure: TlsServer | undefined;
  let [imap, imaps]: (AddressInfo | undefined)[] = [];
  if (options.imap !== undefined) {
    const server = createPlainServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      table.take(socket, 'imap');
    });
    servers.push(server);
    imap = await listen(server, 'imap', options.imap);
  }
  if (options.imaps !== undefined && options.tls !== undefined) {
    secure = createTlsServer({
      ...options.tls,
      allowHalfOpen: true,
      handshakeTimeout: deps.settings.handshakeMs,
    });
    secure.on('secureConnection', (socket) => {
      table.take(socket, 'imaps');
    });
    secure.on('tlsClientError', (error, socket) => {
      deps.log.debug('imap.tls.failed', { error });
      socket.destroy();
    });
    servers.push(secure);
    imaps = await listen(secure, 'imaps', options.imaps);
  }
  return {
    imap,
    imaps,
    get connections() {
      return table.size;
    },
    renewCertificate: (tls) => secure?.setSecureContext(tls),
    kick: (id) => table.kick(id),
    async close() {
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
      await table.closeAll();
      await Promise.all(closed);
      unhook();
      searched.close();
      await searches.close();
    },
  };
}

function listen(server: Server, name: ListenerKind, address: ListenAddress): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => reject(listenError(name, address, error));
    server.once('error', failed);
    server.listen(address.port, address.host, () => {
      server.off('error', failed);
      resolve(server.address() as AddressInfo);
    });
  });
}
