// What leaves that came back say of the time after a restored database: what was lost, and what was erased. Pure.
import type { CustodianId, RecordId } from '../../kernel/ids.ts';
import type { ReturnedLeaf } from '../../ledger/sequencer/roll-forward.ts';
import type { LostLeaf } from './restore-home.ts';

/** They tell of looks and of the ledger itself: nothing that could be missing hangs on them. */
const looks =
  /^(log\.|read\.|session\.|access\.|search\.|ledger\.|audit\.void$|metadata\.read$|mailbox\.selected$|key\.(opened|refused|wrapped)$|server\.|scrub\.|backup\.(started|ended)$)/;
const listed = 1000;

export interface Erasure {
  readonly seq: number;
  readonly custodian: CustodianId;
  readonly record: RecordId;
}

export interface RolledAccount {
  readonly lostByOp: Readonly<Record<string, number>>;
  readonly lost: readonly LostLeaf[];
  /** In the order of the ledger. */
  readonly erasures: readonly Erasure[];
}

export function accountOf(leaves: readonly ReturnedLeaf[]): RolledAccount {
  const lostByOp: Record<string, number> = {};
  const lost: LostLeaf[] = [];
  const erasures: Erasure[] = [];
  for (const { seq, leaf, known } of leaves) {
    if (known || leaf.outcome !== 'success') continue;
    const { op, ts: at, objects } = leaf;
    lostByOp[op] = (lostByOp[op] ?? 0) + 1;
    if (!looks.test(op) && lost.length < listed) lost.push({ seq, at, op, objects });
    if (op !== 'record.shredded') continue;
    const idOf = (kind: string): string =>
      objects.find((object) => object.startsWith(`${kind}:`))?.slice(kind.length + 1) ?? '';
    erasures.push({
      ...{ seq, custodian: idOf('cus') as CustodianId },
      record: idOf('rec') as RecordId,
    });
  }
  return { lostByOp, lost, erasures };
}
