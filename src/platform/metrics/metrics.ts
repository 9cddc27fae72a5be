// Prometheus metrics (prom-client). Names are `postseal_…_unit`; labels never hold an address, an
// account or anything else without a small, fixed set of values.
import cluster from 'node:cluster';
import {
  AggregatorRegistry,
  Counter,
  Gauge,
  Histogram,
  Registry,
  collectDefaultMetrics,
} from 'prom-client';

export type Labels = Readonly<Record<string, string | number>>;

export interface CounterMetric {
  add(amount?: number, labels?: Labels): void;
}
export interface GaugeMetric {
  set(value: number, labels?: Labels): void;
}
export interface HistogramMetric {
  /** Value in the unit of the name. */
  observe(value: number, labels?: Labels): void;
  /** Starts a clock; the function that it returns observes the seconds since. */
  start(labels?: Labels): () => void;
}

export interface Metrics {
  counter(name: string, help: string, labels?: readonly string[]): CounterMetric;
  gauge(name: string, help: string, labels?: readonly string[]): GaugeMetric;
  histogram(
    name: string,
    help: string,
    options?: { readonly labels?: readonly string[]; readonly buckets?: readonly number[] },
  ): HistogramMetric;
  /** Prometheus text of this process, and in a cluster's primary of all its workers together. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** Seconds; from a cached FLAGS change to a stalled commit. */
const secondsBuckets = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Metrics of this process, with the defaults (memory, CPU, event-loop delay, garbage collection). */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'postseal_' });
  if (cluster.isWorker) {
    AggregatorRegistry.setRegistries(registry);
    // Constructing one installs the listener that answers the primary.
    new AggregatorRegistry();
  }
  const registers = [registry];
  return {
    counter: (name, help, labels = []) => {
      const metric = new Counter({ name, help, labelNames: [...labels], registers });
      return { add: (amount = 1, values = {}) => metric.inc(values, amount) };
    },
    gauge: (name, help, labels = []) => {
      const metric = new Gauge({ name, help, labelNames: [...labels], registers });
      return { set: (value, values = {}) => metric.set(values, value) };
    },
    histogram: (name, help, options = {}) => {
      const buckets = [...(options.buckets ?? secondsBuckets)];
      const labelNames = [...(options.labels ?? [])];
      const metric = new Histogram({ name, help, labelNames, buckets, registers });
      return {
        observe: (value, values = {}) => metric.observe(values, value),
        start: (values = {}) => {
          const stop = metric.startTimer(values);
          return () => {
            stop();
          };
        },
      };
    },
    text: () => collectText(registry),
    contentType: registry.contentType,
  };
}

async function collectText(registry: Registry): Promise<string> {
  const workers = cluster.isPrimary ? Object.keys(cluster.workers ?? {}).length : 0;
  if (workers === 0) return registry.metrics();
  const own = await registry.metrics();
  const theirs = await new AggregatorRegistry().clusterMetrics();
  return mergeText(own, theirs);
}

/**
 * Two expositions may name the same metric; Prometheus refuses a repeated HELP or sample. The primary's
 * samples get a label of their own, and headers are kept once.
 */
function mergeText(primary: string, workers: string): string {
  const heads = new Set<string>();
  const lines: string[] = [];
  const samples = new Map<string, string[]>();
  const sort = (text: string, mark: string | undefined): void => {
    let family = '';
    for (const line of text.split('\n')) {
      if (line === '') continue;
      if (line.startsWith('#')) {
        family = line.split(' ')[2] ?? '';
        if (!samples.has(family)) samples.set(family, []);
        const kind = line.split(' ')[1] ?? '';
        if (heads.has(`${kind} ${family}`)) continue;
        heads.add(`${kind} ${family}`);
        samples.get(family)?.unshift(line);
        continue;
      }
      samples.get(family)?.push(mark === undefined ? line : withLabel(line, mark));
    }
  };
  sort(workers, undefined);
  sort(primary, 'process="primary"');
  for (const [, block] of samples) {
    // HELP before TYPE before samples, whichever text they came from.
    const head = block.filter((line) => line.startsWith('#')).sort();
    lines.push(...head, ...block.filter((line) => !line.startsWith('#')));
  }
  return `${lines.join('\n')}\n`;
}

function withLabel(line: string, label: string): string {
  const brace = line.indexOf('{');
  if (brace !== -1) return `${line.slice(0, brace + 1)}${label},${line.slice(brace + 1)}`;
  const blank = line.indexOf(' ');
  return `${line.slice(0, blank)}{${label}}${line.slice(blank)}`;
}
