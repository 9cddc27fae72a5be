// A server under measure that a bench started and can stop.
import type { Target } from '../load/workload.ts';

export interface Peer {
  readonly target: Target;
  stop(): Promise<void>;
}
