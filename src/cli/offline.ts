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

/** A full or incremental backup, with the tails behind it. */
export interface BackupLine {
  readonly set: string;
  readonly kind: string;
  readonly createdAt: string;
  /** Everything acknowledged before this instant is in it. */
  readonly reaches: string;
  readonly tails: number;
  readonly octets: number;
  /** Leaves under its newest checkpoint. */
  readonly ledger: number;
  readonly node: string;
  readonly database: 'embedded' | 'outside';
}

export interface BackupVerdict {
  readonly sets: number;
  readonly objects: number;
  readonly pieces: number;
  readonly findings: readonly { readonly place: string; readonly what: string }[];
}

export interface RestoredHome {
  readonly set: string;
  readonly base: string;
  readonly database: 'embedded' | 'outside';
  readonly coveredUntil: string;
  readonly files: number;
  readonly bytes: number;
  readonly contents: number;
  readonly leaves: number;
  readonly root: string;
  /** Leaves under the newest checkpoint of the whole backup. */
  readonly newestCheckpoint: number;
  /** Leaves before and after what was published came back. */
  readonly ledgerFrom: number;
  readonly ledgerTo: number;
  /** By operation: what the ledger tells of and the restored database does not have. */
  readonly lostByOp: Readonly<Record<string, number>>;
  readonly erasedAgain: readonly string[];
  readonly findings: readonly { readonly place: string; readonly what: string }[];
}

export type ReportProgress = (done: number, total: number) => void;

export interface Offline {
  /** Folder of the state of this server. */
  home(): string;
  /** Runs the server until it is told to stop; answers the exit code. */
  serve(): Promise<number>;
  /** Runs the key service alone, for nodes on other machines. */
  serveKeys(): Promise<number>;
  demo(): Promise<number>;
  version(): Promise<Readonly<Record<string, string>>>;
  /** The effective configuration with secrets redacted. @throws PostsealError `config.invalid`. */
  effectiveConfig(): Promise<unknown>;
  migrate(): Promise<{ readonly applied: readonly string[] }>;
  verifyLedger(progress: ReportProgress): Promise<LedgerReport>;
  scrub(progress: ReportProgress): Promise<ScrubReport>;
  /** The folder of the configuration unless `from` names another. @throws PostsealError `backup.no-target`. */
  listBackups(from: string | undefined): Promise<readonly BackupLine[]>;
  verifyBackup(from: string | undefined, progress: ReportProgress): Promise<BackupVerdict>;
  restore(from: string, at: Date | undefined, progress: ReportProgress): Promise<RestoredHome>;
  doctor(): Promise<readonly DoctorCheck[]>;
}
