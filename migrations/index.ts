// Every migration in the order of its number. Numbered files, plain SQL, never changed once landed.
import type { MigrationInterface } from 'typeorm';
import { Ledger1763942400001 } from './0001-ledger.ts';
import { Archive1763942400003 } from './0003-archive.ts';

export const migrations: readonly (new () => MigrationInterface)[] = [
  Ledger1763942400001,
  Archive1763942400003,
];
