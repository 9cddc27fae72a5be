// The metrics listener: /metrics for Prometheus, /healthz and /readyz for supervisors and balancers.
// It says names and codes only, so it may stand on an internal address without sign-in.
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ListenerConfig } from '../config/config.ts';
import { listenError } from '../config/listen-error.ts';
import type { Log } from '../log/log.ts';
import type { Health, HealthKind } from './health.ts';
import type { Metrics } from './metrics.ts';

export interface MetricsServer {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

export interface MetricsServerOptions {
  readonly listener: ListenerConfig;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly log: Log;
}

/** Listens. @throws PostsealError `home.port-taken`, `config.listener`. */
export async function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const { host, port } = options.listener;
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      options.log.error('metrics.request.failed', { error });
      reply(response, 500, 'text/plain', 'failed\n');
    });
  });
  server.headersTimeout = 10_000;
  server.requestTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(listenError('metrics', { host, port }, cause)));
    server.listen(port, host, resolve);
  });
  const bound = server.address() as AddressInfo;
  return {
    host,
    port: bound.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const healthPaths: Readonly<Record<string, HealthKind>> = {
  '/healthz': 'alive',
  '/readyz': 'ready',
};

async function answer(
  options: MetricsServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '').split('?')[0] ?? '';
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    reply(response, 405, 'text/plain', 'only GET\n');
    return;
  }
  if (path === '/metrics') {
    reply(response, 200, options.metrics.contentType, await options.metrics.text());
    return;
  }
  const kind = healthPaths[path];
  if (kind === undefined) {
    reply(response, 404, 'text/plain', 'not found\n');
    return;
  }
  const result = await options.health.run(kind);
  reply(response, result.ok ? 200 : 503, 'application/json', `${JSON.stringify(result)}\n`);
}

function reply(response: ServerResponse, status: number, type: string, body: string): void {
  if (response.headersSent) return;
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(body);
}
