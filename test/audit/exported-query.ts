// The query of docs/formats/export.md, taken out of the page: what an operator types is what is tested.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const page = resolve(import.meta.dirname, '../../docs/formats/export.md');

/** Runs SQL with values and answers its rows. */
export type RunSql = (
  sql: string,
  values: readonly unknown[],
) => Promise<readonly Readonly<Record<string, unknown>>[]>;

/** The export as `psql -At` writes it: the one value and a line end. */
export async function exportWraps(
  run: RunSql,
  custodian: string,
  records: readonly string[],
): Promise<string> {
  const sql = /```sql\n([^]*?)```/.exec(readFileSync(page, 'utf8'))?.[1] ?? '';
  // The variables of psql become parameters; nothing else of the query is touched.
  const withParameters = sql.replaceAll(":'custodian'", '$1').replaceAll(":'records'", '$2');
  const [row = {}] = await run(withParameters, [custodian, `{${records.join(',')}}`]);
  return `${String(Object.values(row)[0])}\n`;
}

/** A file of this first line, with the digest that it needs: what somebody would make who changes one. */
export function resealed(line: string): string {
  return `${line}\n{"sha256":"${createHash('sha256').update(line).digest('hex')}"}\n`;
}
