// What a node tells Prometheus of itself. Each process has the same names; the metrics listener of the
// primary adds the workers up (platform/metrics). Gauges are taken every two seconds, so that a scrape never
// waits for PostgreSQL or the token.
import type { Delivery } from '../intake/lmtp/delivery.ts';
import { PostsealError } from '../kernel/errors.ts';
import type { AlertClass, AlertCode } from '../platform/alerts/alert-registry.ts';
import type { Metrics } from '../platform/metrics/metrics.ts';
import { sample } from './sample.ts';
import type { Services } from './services.ts';

/** A value that cannot be had stands as -1: an alarm on its absence would need a second rule. */
async function orMinusOne(value: () => Promise<number>): Promise<number> {
  try {
    return await value();
  } catch {
    // Log and readiness tell why; a gauge has no words.
    return -1;
  }
}

/** Gauges of the primary; answers how to stop. */
export function measureNode(
  metrics: Metrics,
  services: Pick<Services, 'keys' | 'committer'>,
  workers: () => number,
): () => void {
  const available = metrics.gauge(
    'postseal_key_service_available',
    '1 while the token answers, 0 while it does not',
  );
  const running = metrics.gauge('postseal_workers', 'Worker processes that run');
  const queue = committerQueue(metrics);
  return sample(async () => {
    queue.set(services.committer.queued);
    running.set(workers());
    const status = await orMinusOne(async () => Number((await services.keys.status()).available));
    available.set(Math.max(0, status));
  });
}

function committerQueue(metrics: Metrics): ReturnType<Metrics['gauge']> {
  return metrics.gauge('postseal_committer_queue', 'Operations that wait for a batch');
}

/** Gauges of a worker; answers how to stop. */
export function measureWorker(
  metrics: Metrics,
  of: { readonly committer: Services['committer']; readonly connections: () => number },
): () => void {
  const queue = committerQueue(metrics);
  const connections = metrics.gauge('postseal_imap_connections', 'Open IMAP connections');
  return sample(() => {
    queue.set(of.committer.queued);
    connections.set(of.connections());
  });
}

/** Counts what becomes of every recipient. */
export function countDeliveries(delivery: Delivery, metrics: Metrics): Delivery {
  const counter = metrics.counter('postseal_deliveries_total', 'LMTP deliveries, one a recipient', [
    'outcome',
  ]);
  const seconds = metrics.histogram(
    'postseal_delivery_seconds',
    'From the first byte of a message to the answer for its last recipient',
  );
  return {
    async deliver(input) {
      const done = seconds.start();
      try {
        const results = await delivery.deliver(input);
        for (const result of results) {
          counter.add(1, { outcome: result instanceof PostsealError ? 'failed' : 'stored' });
        }
        return results;
      } catch (error) {
        counter.add(input.accounts.length, { outcome: 'failed' });
        throw error;
      } finally {
        done();
      }
    },
    refused(refused) {
      counter.add(1, { outcome: 'refused' });
      return delivery.refused(refused);
    },
    failed: (error, peer) => delivery.failed(error, peer),
  };
}

/** For the alert bus. */
export function countAlerts(metrics: Metrics): (alertClass: AlertClass, code: AlertCode) => void {
  const counter = metrics.counter('postseal_alerts_total', 'Alerts raised, repetitions too', [
    'class',
    'code',
  ]);
  return (alertClass, code) => counter.add(1, { class: alertClass, code });
}
