// Whether what the key service did without an event was followed by one. Wrapping, moving a wrap and giving a
// write key need none beforehand; a sound node does them for something that it then writes, with its event.
// A node that fails in between tries again, so that a custodian without any event stands out.
import { messagePartsMax } from '../../kernel/limits.ts';
import type { Queryable } from '../../platform/postgres/statement.ts';
import { opensPerEvent } from '../../vault/keys/grant-rules.ts';
import type { WrapPurpose } from '../../vault/keys/types.ts';
import type { Finding } from './finding.ts';
import {
  erasedSince,
  type HandedOut,
  isNamedSince,
  recordsTaken,
  stillKnown,
} from './handout-list.store.ts';
import { findingOf } from './judge-opened.ts';

/** A message is prepared while it comes in, which may take this long before its event. */
const beforeMs = 10 * 60_000;

/** Findings of rows of the kinds `moved`, `wrapped` and `write`. */
export async function judgeUnasked(
  client: Queryable,
  rows: readonly HandedOut[],
  organisation: string,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const row of rows) {
    if (row.kind === 'moved' && !(await isMoveSound(client, row))) {
      findings.push(findingOf(row, 'no-event'));
    }
  }
  for (const sum of summed(rows.filter(({ kind }) => kind === 'wrapped'))) {
    const known = await eventsForWraps(client, sum);
    if (known === 0) findings.push(findingOf(sum, 'no-event'));
    else if (sum.keys > opensPerEvent(known, sum.keyKind as WrapPurpose))
      findings.push(findingOf(sum, 'count'));
  }
  for (const sum of summed(rows.filter(({ kind }) => kind === 'write'))) {
    // Every process takes the organisation's key when it starts; that is counted, and no more.
    if (sum.custodian === organisation) continue;
    if (await isNamedSince(client, sum.custodian, sum.at - beforeMs)) continue;
    findings.push(findingOf(sum, 'no-event'));
  }
  return findings;
}

/** One row a custodian and kind of key, with the time of the first. */
function summed(rows: readonly HandedOut[]): HandedOut[] {
  const sums = new Map<string, HandedOut>();
  for (const row of rows) {
    const name = `${row.custodian} ${row.keyKind}`;
    const before = sums.get(name);
    sums.set(name, before === undefined ? row : { ...before, keys: before.keys + row.keys });
  }
  return [...sums.values()];
}

/** A body's wrap, or a part's, moves to a custodian who then has a record of it. Nothing else moves between custodians. */
async function isMoveSound(client: Queryable, row: HandedOut): Promise<boolean> {
  const { custodian, keyKind } = row;
  if (keyKind !== 'dek' && keyKind !== 'part') return false;
  const objects = [...new Set(row.objects)];
  const held = await stillKnown(client, { custodian, keyKind, objects });
  if (held === objects.length) return true;
  const perRecord = keyKind === 'part' ? messagePartsMax : 1;
  const erased = await erasedSince(client, custodian, row.at - beforeMs);
  return erased * perRecord >= objects.length - held;
}

/** How many records may stand behind the wraps; for pages any number, if there was reason to make one. */
async function eventsForWraps(client: Queryable, sum: HandedOut): Promise<number> {
  const since = sum.at - beforeMs;
  const { custodian, keyKind } = sum;
  if (keyKind === 'dek' || keyKind === 'part' || keyKind === 'cell') {
    return (
      (await recordsTaken(client, custodian, since)) + (await erasedSince(client, custodian, since))
    );
  }
  if (keyKind !== 'page') return 0;
  const reasons = ['metadata.folded', 'record.shredded'];
  return (await isNamedSince(client, custodian, since, reasons)) ? Infinity : 0;
}
