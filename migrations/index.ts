// Every migration in the order of its number. Numbered files, plain SQL, never changed once landed.
import type { MigrationInterface } from 'typeorm';

export const migrations: readonly (new () => MigrationInterface)[] = [];
