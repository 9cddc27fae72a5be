// A primary with two workers that count, to see their metrics summed in one exposition.
import cluster from 'node:cluster';
import { createMetrics } from '../../src/platform/metrics/metrics.ts';

const metrics = createMetrics();
const counter = metrics.counter('postseal_test_total', 'A test.', ['kind']);

if (cluster.isPrimary) {
  counter.add(100, { kind: 'a' });
  let up = 0;
  for (let n = 0; n < 2; n += 1) {
    cluster.fork().on('message', (message) => {
      if (message !== 'counted') return;
      up += 1;
      if (up < 2) return;
      void metrics.text().then((text) => {
        process.stdout.write(text, () => process.exit(0));
      });
    });
  }
} else {
  counter.add(2, { kind: 'a' });
  process.send?.('counted');
}
