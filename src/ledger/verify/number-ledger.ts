// Follows `prod.q` of every boot: each number once, each missing one named by an `audit.void`. This is
// how a row deleted from the inbox before it was sequenced shows. docs/formats/leaf.md "prod". Pure.
import type { LeafProjection } from '../event/leaf-projection.ts';
import type { Findings } from './finding.ts';

interface Boot {
  /** Every number up to here is accounted for. */
  low: number;
  readonly above: Set<number>;
  readonly voided: Set<number>;
  /** Time of the leaf that first came after a number that is still missing. */
  gapSince: number | undefined;
}

export class NumberLedger {
  readonly #boots = new Map<string, Boot>();

  get boots(): number {
    return this.#boots.size;
  }

  knows(leaf: LeafProjection): boolean {
    return this.#boots.has(bootName(leaf.node, leaf.boot));
  }

  /** Takes one leaf; a number that came before is a finding at `place`. */
  add(leaf: LeafProjection, place: string, findings: Findings): void {
    const boot = this.#boot(leaf.node, leaf.boot);
    const seen = leaf.q <= boot.low || boot.above.has(leaf.q);
    // A voided number may have committed after all: its COMMIT was sent and not answered.
    if (seen && !boot.voided.delete(leaf.q))
      findings.add(place, 'number', `${leaf.boot} ${leaf.q} twice`);
    if (leaf.q > boot.low) boot.above.add(leaf.q);
    for (const [from, to] of leaf.voids) {
      for (let q = from; q <= Math.min(to, leaf.q); q += 1) this.#void(boot, q);
    }
    advance(boot);
    if (boot.above.size === 0) boot.gapSince = undefined;
    else boot.gapSince ??= Date.parse(leaf.ts);
  }

  /** An event that waits in the inbox accounts for its number. */
  waiting(leaf: LeafProjection): void {
    const boot = this.#boots.get(bootName(leaf.node, leaf.boot));
    if (boot === undefined) return;
    if (leaf.q > boot.low) boot.above.add(leaf.q);
    for (const [from, to] of leaf.voids) for (let q = from; q <= to; q += 1) this.#void(boot, q);
    advance(boot);
  }

  /** Gaps: a finding, or a notice while a transaction may still be under way (`settleMs`). */
  close(newestMs: number, settleMs: number, findings: Findings): void {
    for (const [name, boot] of this.#boots) {
      if (boot.above.size === 0) continue;
      let highest = boot.low;
      for (const q of boot.above) highest = Math.max(highest, q);
      const missing: number[] = [];
      for (let q = boot.low + 1; q < highest && missing.length < 20; q += 1)
        if (!boot.above.has(q)) missing.push(q);
      const young = newestMs - (boot.gapSince ?? newestMs) < settleMs;
      const detail = `numbers ${missing.join(', ')} neither recorded nor voided`;
      if (young) findings.note(`boot ${name}`, 'number', detail);
      else findings.add(`boot ${name}`, 'number', detail);
    }
  }

  #void(boot: Boot, q: number): void {
    if (q <= boot.low || boot.above.has(q)) return;
    boot.above.add(q);
    boot.voided.add(q);
  }

  #boot(node: string, id: string): Boot {
    const name = bootName(node, id);
    let boot = this.#boots.get(name);
    if (boot === undefined) {
      boot = { low: 0, above: new Set(), voided: new Set(), gapSince: undefined };
      this.#boots.set(name, boot);
    }
    return boot;
  }
}

function bootName(node: string, boot: string): string {
  return `${node}/${boot}`;
}

function advance(boot: Boot): void {
  while (boot.above.delete(boot.low + 1)) boot.low += 1;
}
