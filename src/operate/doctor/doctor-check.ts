// One thing that doctor looks at. A check never throws for what it finds: a finding is its answer.
import type { Config } from '../../platform/config/config.ts';
import type { Database } from '../../platform/postgres/database.ts';
import type { KeyStatus } from '../../vault/keys/types.ts';

export interface DoctorAnswer {
  readonly verdict: 'good' | 'warning' | 'bad';
  readonly text: string;
  /** What to do, lower case, no full stop. */
  readonly hint?: string;
}

export interface DoctorContext {
  readonly config: Config;
  /** Undefined when no database could be reached; `databaseProblem` says why. */
  readonly database: Database | undefined;
  readonly databaseProblem: string | undefined;
  /** Whether a server runs in this home. */
  readonly running: boolean;
  /** What the key service of the running server says of itself; undefined where none answers. */
  readonly keys: KeyStatus | undefined;
  /** Why `keys` is undefined although a server runs. */
  readonly keyProblem: string | undefined;
  /** Unix milliseconds. */
  readonly now: number;
}

export interface DoctorCheck {
  readonly name: string;
  readonly look: (context: DoctorContext) => Promise<DoctorAnswer> | DoctorAnswer;
}
