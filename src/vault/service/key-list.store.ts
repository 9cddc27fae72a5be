// Names of all live keys below a KEK, in bounded pages, for the scrub. Wraps stay in their rows.
import type { CustodianId } from '../../kernel/ids.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { statement } from '../../platform/postgres/statement.ts';

export interface NamedSlotKey {
  readonly custodian: CustodianId;
  readonly slot: 'names' | 'side-record';
}

export interface NamedGroupKey {
  readonly custodian: CustodianId;
  readonly group: number;
}

const pageRows = 1_000;
const firstUuid = '00000000-0000-0000-0000-000000000000';

const selectSlots = statement<{ custodian: string; slot: NamedSlotKey['slot'] }>(
  'vault.scrub.slots',
  `SELECT k.custodian_id AS custodian, k.slot FROM public.custodian_slot_key k
    WHERE k.state = 'live' AND (k.custodian_id, k.slot) > ($1::uuid, $2)
    ORDER BY k.custodian_id, k.slot LIMIT ${String(pageRows)}`,
);
const selectGroups = statement<{ custodian: string; group_no: string }>(
  'vault.scrub.groups',
  `SELECT g.custodian_id AS custodian, g.group_no FROM public.group_key g
    WHERE g.state = 'live' AND (g.custodian_id, g.group_no) > ($1::uuid, $2::int8)
    ORDER BY g.custodian_id, g.group_no LIMIT ${String(pageRows)}`,
);

export async function* listSlotKeys(
  database: Pick<Database, 'pool'>,
): AsyncGenerator<NamedSlotKey[]> {
  for (let after: [string, string] = [firstUuid, '']; ;) {
    const rows = await selectSlots.rows(database.pool, after);
    const last = rows.at(-1);
    if (last === undefined) return;
    after = [last.custodian, last.slot];
    yield rows.map(({ custodian, slot }) => ({ custodian: custodian as CustodianId, slot }));
  }
}

export async function* listGroupKeys(
  database: Pick<Database, 'pool'>,
): AsyncGenerator<NamedGroupKey[]> {
  for (let after: [string, string] = [firstUuid, '-1']; ;) {
    const rows = await selectGroups.rows(database.pool, after);
    const last = rows.at(-1);
    if (last === undefined) return;
    after = [last.custodian, last.group_no];
    yield rows.map(({ custodian, group_no: group }) => ({
      custodian: custodian as CustodianId,
      group: Number(group),
    }));
  }
}
