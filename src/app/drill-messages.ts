// What a server and the process of a drill say to each other over IPC.
import type { ErrorFields } from '../kernel/errors.ts';
import type { DrillReport } from '../operate/backup/drill-report.ts';

export interface DrillOrder {
  /** An empty home with the way to the token. */
  readonly scratch: string;
  readonly target: string;
  /** The running archive's database, to compare with. */
  readonly databaseUrl: string;
}

export type FromDrill =
  | { readonly done: number; readonly total: number }
  | { readonly report: DrillReport }
  | { readonly code: string; readonly fields: ErrorFields };
