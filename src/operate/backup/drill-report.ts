// What a drill found, and when it counts as passed.
import type { Comparison } from './compare-records.ts';

export interface DrillReport extends Comparison {
  readonly set: string;
  /** Everything acknowledged before this instant was restored. */
  readonly coveredUntil: string;
  /** From the order to a home that is proved: seconds. */
  readonly rtoSeconds: number;
  /** How far the backup was behind when the drill began: seconds. */
  readonly rpoSeconds: number;
  readonly contents: number;
  readonly leaves: number;
  readonly findings: readonly { readonly place: string; readonly what: string }[];
}

export function drillPassed({ different, findings }: DrillReport): boolean {
  return different === 0 && findings.length === 0;
}
