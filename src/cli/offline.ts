// What the command line can do without a running server; the composition hands it in. None of it
// opens the content of a message (docs/reference/cli.md).
export interface Finding {
  /** Where, for example `pack 0f… offset 4096` or `ledger seq 12`. */
  readonly place: string;
  readonly text: string;
}

export interface LedgerReport {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  readonly findings: readonly Finding[];
}

export interface ScrubReport {
  readonly frames: number;
  readonly contents: number;
  readonly wraps: number;
  readonly cells: number;
  /** Metadata pages; a cell that was folded is in one. */
  readonly pages: number;
  /** Keys of custodians and groups that were opened. */
  readonly keys: number;
  /** Frames that no row refers to: rests of crashes and of shreds. */
  readonly orphans: number;
  readonly findings: readonly Finding[];
}

export interface DoctorCheck {
  readonly name: string;
  readonly verdict: 'good' | 'warning' | 'bad';
  readonly text: string;
  readonly hint?: string;
}

export type ReportProgress = (done: number, total: number) => void;

export interface Offline {
  /** Folder of the state of this server. */
  home(): string;
  /** Runs the server until it is told to stop; answers the exit code. */
  serve(): Promise<number>;
  demo(): Promise<number>;
  version(): Promise<Readonly<Record<string, string>>>;
  /** The effective configuration with secrets redacted. @throws PostsealError `config.invalid`. */
  effectiveConfig(): Promise<unknown>;
  migrate(): Promise<{ readonly applied: readonly string[] }>;
  verifyLedger(progress: ReportProgress): Promise<LedgerReport>;
  scrub(progress: ReportProgress): Promise<ScrubReport>;
  doctor(): Promise<readonly DoctorCheck[]>;
}
