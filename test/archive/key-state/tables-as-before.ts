// Copies of the tables inside of the same database: what a data backup has of them, put back as a restore would.
import type { Database } from '../../../src/platform/postgres/database.ts';
import { tamper } from '../tamper.ts';

export const restoredTables = [
  'kek_generation',
  'organisation_key',
  'custodian_key',
  'custodian_slot_key',
  'group_key',
  'custodian_counter',
  'erased_record',
  'content',
  'content_wrap',
  'record',
  'metadata_cell',
  'metadata_page',
  'metadata_slot',
] as const;

/** Keeps the tables as they are now under `name`. */
export async function copyTables({ pool }: Database, name: string): Promise<void> {
  await pool.query(`CREATE SCHEMA ${name}`);
  for (const table of restoredTables) {
    await pool.query(`CREATE TABLE ${name}.${table} AS TABLE public.${table}`);
  }
}

/** Puts the tables back as they were. */
export async function putBackTables({ pool }: Database, name: string): Promise<void> {
  for (const table of restoredTables) {
    const statements = [
      `DELETE FROM public.${table}`,
      `INSERT INTO public.${table} SELECT * FROM ${name}.${table}`,
    ];
    for (const sql of statements) {
      if (table === 'custodian_counter') await pool.query(sql);
      else await tamper(pool, `public.${table}`, sql, []);
    }
  }
}
