// The metrics listener as Prometheus and a load balancer see it.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { PostsealError } from '../../../src/kernel/errors.ts';
import { createHealth } from '../../../src/platform/metrics/health.ts';
import { startMetricsServer } from '../../../src/platform/metrics/metrics-server.ts';
import type { MetricsServer } from '../../../src/platform/metrics/metrics-server.ts';
import { createMetrics } from '../../../src/platform/metrics/metrics.ts';
import { createMemoryLog } from '../../harness/memory-log.ts';

const health = createHealth();
const metrics = createMetrics();
let server: MetricsServer;
let broken = false;

beforeAll(async () => {
  server = await startMetricsServer({
    listener: { enabled: true, host: '127.0.0.1', port: 0 },
    metrics,
    health,
    log: createMemoryLog(),
  });
});
afterAll(() => server.close());

const get = (path: string, method = 'GET'): Promise<Response> =>
  fetch(`http://127.0.0.1:${server.port}${path}`, { method });

describe('startMetricsServer', () => {
  test('exposes counters, gauges, histograms and the event-loop delay', async () => {
    metrics.counter('postseal_test_total', 'A counter.', ['kind']).add(3, { kind: 'x' });
    metrics.gauge('postseal_test_level', 'A gauge.').set(1.5);
    metrics.histogram('postseal_test_seconds', 'A histogram.').observe(0.003);
    const response = await get('/metrics');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/plain');
    const text = await response.text();
    expect(text).toContain('postseal_test_total{kind="x"} 3');
    expect(text).toContain('postseal_test_level 1.5');
    expect(text).toContain('postseal_test_seconds_bucket{le="0.005"} 1');
    expect(text).toContain('postseal_nodejs_eventloop_lag_p99_seconds');
  });

  test('alive and ready are answered apart, a failing check by its code, a silent one in time', async () => {
    health.add('alive', 'loop', () => undefined);
    health.add('ready', 'database', () => {
      if (broken) throw new PostsealError('database.unreachable');
    });
    expect(await (await get('/readyz')).json()).toEqual({ ok: true, checks: { database: 'ok' } });
    broken = true;
    const down = await get('/readyz');
    expect(down.status).toBe(503);
    expect(await down.json()).toEqual({ ok: false, checks: { database: 'database.unreachable' } });
    expect((await get('/healthz')).status).toBe(200);
    health.add('ready', 'silent', () => new Promise<void>(() => undefined));
    expect(await (await get('/readyz')).json()).toMatchObject({ checks: { silent: 'timeout' } });
  });

  test('knows nothing else', async () => {
    expect((await get('/')).status).toBe(404);
    expect((await get('/metrics', 'POST')).status).toBe(405);
  });

  test('a taken port is one clear error', async () => {
    const again = startMetricsServer({
      listener: { enabled: true, host: '127.0.0.1', port: server.port },
      metrics,
      health,
      log: createMemoryLog(),
    });
    await expect(again).rejects.toMatchObject({
      code: 'home.port-taken',
      fields: { listener: 'metrics', port: server.port },
    });
  });

  test('an address that this machine does not have is a matter of configuration', async () => {
    const host = '192.0.2.1';
    const elsewhere = startMetricsServer({
      listener: { enabled: true, host, port: 0 },
      metrics,
      health,
      log: createMemoryLog(),
    });
    await expect(elsewhere).rejects.toMatchObject({
      code: 'config.listener',
      fields: { listener: 'metrics', host, port: 0, reason: 'EADDRNOTAVAIL' },
    });
  });
});

describe('in a cluster', () => {
  test('the primary shows the sum of its workers, and itself under a label', async () => {
    const script = join(import.meta.dirname, '../../harness/metrics-cluster.ts');
    const { stdout } = await promisify(execFile)(process.execPath, [script]);
    expect(stdout).toContain('postseal_test_total{kind="a"} 4\n');
    expect(stdout).toContain('postseal_test_total{process="primary",kind="a"} 100\n');
    const heads = stdout
      .split('\n')
      .filter((line) => line === '# TYPE postseal_test_total counter');
    expect(heads).toHaveLength(1);
  });
});
