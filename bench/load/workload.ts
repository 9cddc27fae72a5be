// A workload is what `clients` concurrent clients do over and over for some seconds; its figure is
// operations a second and the median latency.
import type { Endpoint } from './imap-client.ts';

export interface Target {
  readonly name: string;
  readonly imap: Endpoint;
  readonly imaps: Endpoint;
  readonly lmtp: { readonly host: string; readonly port: number };
  readonly users: readonly { readonly name: string; readonly password: string }[];
}

export interface WorkloadRun {
  readonly target: Target;
  readonly messages: readonly Buffer[];
  readonly clients: number;
  readonly seconds: number;
}

export interface Client {
  /** One operation; rejects on any reply but the expected one. */
  step(): Promise<void>;
  close(): Promise<void>;
}

export interface Workload {
  readonly name: string;
  readonly unit: string;
  /** Makes client number `index`; not measured. */
  open(run: WorkloadRun, index: number): Promise<Client>;
  /** Operations that one step counts for (default 1). */
  readonly perStep?: number;
}

export interface Measured {
  readonly perSecond: number;
  readonly medianMs: number;
  readonly p95Ms: number;
}

/** Runs `workload` for its seconds with all clients at once. */
export async function measure(workload: Workload, run: WorkloadRun): Promise<Measured> {
  const clients: Client[] = [];
  for (let i = 0; i < run.clients; i += 1) clients.push(await workload.open(run, i));
  // One step each before the clock starts: a server may fill its caches on the first look.
  await Promise.all(clients.map((client) => client.step()));
  const latencies: number[] = [];
  const start = performance.now();
  const end = start + run.seconds * 1000;
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() < end) {
        const t = performance.now();
        await client.step();
        latencies.push(performance.now() - t);
      }
    }),
  );
  const elapsed = (performance.now() - start) / 1000;
  await Promise.all(clients.map((client) => client.close()));
  latencies.sort((a, b) => a - b);
  const at = (q: number): number => latencies[Math.floor((latencies.length - 1) * q)] ?? NaN;
  const steps = latencies.length * (workload.perStep ?? 1);
  return { perSecond: steps / elapsed, medianMs: at(0.5), p95Ms: at(0.95) };
}
