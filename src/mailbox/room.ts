// What the parts of this room share in one process; made once by createMailboxService.
import type { Committer } from '../archive/committer/types.ts';
import type { Database } from '../platform/postgres/database.ts';
import type { KeyClient } from '../vault/keys/types.ts';
import type { CustodianId } from '../kernel/ids.ts';
import type { Clock } from '../kernel/time.ts';
import type { KeptByBytes } from './account/kept-by-bytes.ts';
import type { OpenedTree } from './account/opened-tree.ts';
import type { SealedTrees } from './account/sealed-trees.ts';
import type { Turns } from './account/turns.ts';
import type { RecentClaims } from './state/recent-claims.store.ts';
import type { SnapshotWriter } from './state/snapshot-writer.store.ts';
import type { StateCache } from './state/state-cache.ts';
import type { FactsCache } from './view/facts-cache.ts';

export interface Room {
  readonly db: Database;
  readonly committer: Committer;
  readonly keys: Pick<KeyClient, 'open' | 'writeKey'>;
  /** Rows and keys of a custodian; idempotent (archive). */
  readonly ensureCustodian: (custodian: CustodianId) => Promise<void>;
  readonly clock: Clock;
  readonly states: StateCache;
  readonly facts: FactsCache;
  readonly claims: RecentClaims;
  readonly snapshots: SnapshotWriter;
  readonly trees: SealedTrees;
  /** By the session whose key opened the names, and for no other. */
  readonly opened: KeptByBytes<object, OpenedTree>;
  /** Changes of folder trees, by account. */
  readonly treeTurns: Turns;
  /** How long a state that was sure of itself is used without asking PostgreSQL. */
  readonly trustMs: number;
}
