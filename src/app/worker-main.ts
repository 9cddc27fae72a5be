// A worker process: the services, the IMAP and the LMTP listeners. Several share the ports through
// node:cluster. It starts and ends by messages of the primary, and ends when the primary is gone.
import cluster from 'node:cluster';
import { join } from 'node:path';
import { PostsealError } from '../kernel/errors.ts';
import { createDelivery } from '../intake/lmtp/delivery.ts';
import { type LmtpServer, startLmtpServer } from '../intake/lmtp/lmtp-server.ts';
import { type ImapServer, startImapServer } from '../imap/listener.ts';
import { imapSettingsDefault } from '../imap/deps.ts';
import { createSessionTrace, type SessionTrace } from '../imap/session-trace.ts';
import type { Config } from '../platform/config/config.ts';
import { loadConfig } from '../platform/config/load-config.ts';
import { createLogger, type RootLog } from '../platform/log/create-logger.ts';
import { createMetrics } from '../platform/metrics/metrics.ts';
import { openTlsKeeper, type TlsKeeper } from '../platform/tls/tls-keeper.ts';
import { countDeliveries, measureWorker } from './gauges.ts';
import { openServices, type Services } from './services.ts';
import {
  type Answers,
  type FromWorker,
  isPostsealMessage,
  type Question,
  type ToWorker,
} from './worker-messages.ts';
import { productVersion } from './version.ts';

// Made at once: the primary adds up the metrics of every worker that it has, however young.
const metrics = createMetrics();

function say(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}

interface Running {
  readonly services: Services;
  readonly imap: ImapServer;
  readonly trace: SessionTrace;
  readonly log: RootLog;
  close(): Promise<void>;
}

async function startImap(
  config: Config,
  services: Services,
  tls: {
    readonly log: RootLog;
    readonly certificate: TlsKeeper;
    readonly trace: SessionTrace;
  },
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
      mayChange: () => services.gate.isOpen(),
      signIn: services.signIn,
      refusals: services.refusals,
      log: tls.log,
      trace: tls.trace,
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
  const trace = createSessionTrace();
  const imap = await startImap(config, services, { log, certificate, trace });
  certificate.onChange(() => imap.renewCertificate(certificate.options()));
  let lmtp: LmtpServer | undefined;
  if (config.listeners.lmtp.enabled) {
    lmtp = await startLmtpServer({
      ...config.listeners.lmtp,
      messageBytesMax: config.limits.messageBytes,
      recipientsMax: config.limits.recipientsPerMessage,
      delivery: countDeliveries(createDelivery(services), metrics),
      mailboxes: services.mailboxes,
      log,
    });
  }
  const { committer } = services;
  const stopMeasuring = measureWorker(metrics, { committer, connections: () => imap.connections });
  const ports = { imap: imap.imap?.port, imaps: imap.imaps?.port, lmtp: lmtp?.port };
  say({ postseal: 'listening', ports });
  return {
    services,
    imap,
    trace,
    log,
    async close() {
      stopMeasuring();
      certificate.close();
      await Promise.all([imap.close(), lmtp?.close()]);
      await services.close();
      await log.close();
    },
  };
}

let running: Running | undefined;

/** A worker that does not serve yet has no keys and no sessions. */
async function answer(question: Question): Promise<Answers[keyof Answers]> {
  switch (question.what) {
    case 'flush':
      running?.services.archive.flushCaches();
      return null;
    case 'forget-failures':
      running?.services.throttle.forget(question.nameKey);
      return null;
    case 'sessions':
      return running?.trace.recent() ?? [];
    case 'kick':
      return running === undefined ? 0 : kick(running, question);
  }
}

async function kick(
  { imap, trace }: Running,
  of: Extract<Question, { what: 'kick' }>,
): Promise<number> {
  const wanted = trace
    .recent()
    .filter(({ closedAt }) => closedAt === undefined)
    .filter(({ id, account }) => ('session' in of ? id === of.session : account === of.account));
  const kicked = await Promise.all(wanted.map(({ id }) => imap.kick(id)));
  return kicked.filter((found) => found).length;
}

function take(message: ToWorker): void {
  switch (message.postseal) {
    case 'start':
      start(message).then(
        (started) => (running = started),
        (error: unknown) => {
          const known =
            error instanceof PostsealError ? error : new PostsealError('internal', {}, error);
          if (known !== error) process.stderr.write(`${String((error as Error).stack)}\n`);
          // Said, then gone: the primary starts another one where that helps.
          const failed = { postseal: 'failed', code: known.code, fields: known.fields } as const;
          process.send?.(failed satisfies FromWorker, undefined, {}, () => process.exit(1));
        },
      );
      return;
    case 'stop':
      void (running?.close() ?? Promise.resolve()).finally(() => process.exit(0));
      return;
    case 'ask':
      void answer(message.question).then((given) =>
        say({ postseal: 'answered', id: message.id, answer: given }),
      );
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
