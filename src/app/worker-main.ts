// A worker process: the services, the IMAP and the LMTP listeners. Several share the ports through
// node:cluster. It starts and ends by messages of the primary, and ends when the primary is gone.
import cluster from 'node:cluster';
import { join } from 'node:path';
import { PostsealError } from '../kernel/errors.ts';
import { createDelivery } from '../intake/lmtp/delivery.ts';
import { type LmtpServer, startLmtpServer } from '../intake/lmtp/lmtp-server.ts';
import { type ImapServer, startImapServer } from '../imap/listener.ts';
import { imapSettingsDefault } from '../imap/deps.ts';
import { createSessionTrace } from '../imap/session-trace.ts';
import type { Config } from '../platform/config/config.ts';
import { loadConfig } from '../platform/config/load-config.ts';
import { createLogger, type RootLog } from '../platform/log/create-logger.ts';
import { openTlsKeeper, type TlsKeeper } from '../platform/tls/tls-keeper.ts';
import { openServices, type Services } from './services.ts';
import { type FromWorker, isPostsealMessage, type ToWorker } from './worker-messages.ts';
import { productVersion } from './version.ts';

function say(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}

interface Running {
  readonly services: Services;
  readonly log: RootLog;
  close(): Promise<void>;
}

function portTaken(config: Config, error: unknown): unknown {
  const { code, port } = error as { code?: string; port?: number };
  if (code !== 'EADDRINUSE') return error;
  const named = Object.entries(config.listeners).find(([, listener]) => listener.port === port);
  return new PostsealError(
    'home.port-taken',
    { listener: named?.[0] ?? '?', port: port ?? 0 },
    error,
  );
}

async function startImap(
  config: Config,
  services: Services,
  tls: { readonly log: RootLog; readonly certificate: TlsKeeper },
): Promise<ImapServer> {
  const { limits, listeners } = config;
  const at = (name: 'imap' | 'imaps') =>
    listeners[name].enabled
      ? { [name]: { host: listeners[name].host, port: listeners[name].port } }
      : {};
  return startImapServer(
    {
      settings: {
        ...imapSettingsDefault,
        lineBytesMax: limits.lineBytes,
        messageBytesMax: limits.messageBytes,
        literalBytesMax: limits.literalBytes,
        sessionsPerAccountMax: limits.connectionsPerAccount,
        connectionsMax: limits.connections,
        connectionsPerAddressMax: limits.connectionsPerAddress,
        signInMs: limits.loginSeconds * 1000,
        idleMs: limits.idleMinutes * 60_000,
        allowCleartextLoopback: config.imap.allowCleartextLoopback,
      },
      mailboxes: services.mailboxes,
      archive: services.archive,
      committer: services.committer,
      signIn: services.signIn,
      log: tls.log,
      trace: createSessionTrace(),
      clock: services.clock,
      secureContext: () => tls.certificate.context(),
      version: productVersion,
    },
    { ...at('imap'), ...at('imaps'), tls: tls.certificate.options() },
  );
}

async function start(message: Extract<ToWorker, { postseal: 'start' }>): Promise<Running> {
  const config = loadConfig(undefined);
  const { context, index, unknownNames } = message;
  const name = `worker ${index}`;
  const log = createLogger({
    level: config.log.level,
    folder: join(context.home, 'log'),
    name: `worker-${index}`,
    // As in the primary: a terminal shows what a person must know, the files have the rest.
    standardError: false,
    fields: { role: name },
  });
  const services = await openServices({
    config,
    context,
    log,
    name,
    poolMax: 2,
    unknownNames,
    onSignInFailure: (nameKey, ip) => say({ postseal: 'sign-in-failed', nameKey, ip }),
  });
  const certificate = await openTlsKeeper({
    home: context.home,
    config: config.tls,
    domain: config.organisation.domain,
    log,
    now: () => new Date(),
  });
  let imap: ImapServer | undefined;
  let lmtp: LmtpServer | undefined;
  try {
    imap = await startImap(config, services, { log, certificate });
    const renew = imap;
    certificate.onChange(() => renew.renewCertificate(certificate.options()));
    if (config.listeners.lmtp.enabled) {
      lmtp = await startLmtpServer({
        ...config.listeners.lmtp,
        messageBytesMax: config.limits.messageBytes,
        delivery: createDelivery(services),
        mailboxes: services.mailboxes,
        log,
      });
    }
  } catch (error) {
    throw portTaken(config, error);
  }
  const ports = { imap: imap.imap?.port, imaps: imap.imaps?.port, lmtp: lmtp?.port };
  say({ postseal: 'listening', ports });
  return {
    services,
    log,
    async close() {
      certificate.close();
      await Promise.all([imap.close(), lmtp?.close()]);
      await services.close();
      await log.close();
    },
  };
}

let running: Running | undefined;

function take(message: ToWorker): void {
  switch (message.postseal) {
    case 'start':
      start(message).then(
        (started) => (running = started),
        (error: unknown) => {
          const known =
            error instanceof PostsealError ? error : new PostsealError('internal', {}, error);
          if (known !== error) process.stderr.write(`${String((error as Error).stack)}\n`);
          say({ postseal: 'failed', code: known.code, fields: known.fields });
        },
      );
      return;
    case 'stop':
      void (running?.close() ?? Promise.resolve()).finally(() => process.exit(0));
      return;
    case 'flush':
      running?.services.archive.flushCaches();
      say({ postseal: 'flushed', id: message.id });
      return;
    case 'sign-in-failed':
      running?.services.throttle.failed(message.nameKey, message.ip, running.services.clock.now());
      return;
  }
}

if (cluster.isWorker) {
  process.on('message', (message: unknown) => {
    if (isPostsealMessage(message)) take(message as ToWorker);
  });
  // Ctrl-C reaches the whole group; the primary says when to stop.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => undefined);
}
