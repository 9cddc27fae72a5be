// Numbers of the processes that wrote events (docs/formats/leaf.md "prod"): for every boot each number
// up to the highest is there once or named by an `audit.void`. A gap is an event that was taken away.
import type { Json } from './canonical.ts';

interface Boot {
  readonly node: string;
  /** Number -> milliseconds of its event. */
  readonly seen: Map<number, number>;
  readonly voided: (readonly [number, number])[];
}

export interface Gap {
  readonly place: string;
  readonly what: string;
  /** Milliseconds of the event behind the gap. */
  readonly before: number;
}

export class BootNumbers {
  readonly #boots = new Map<string, Boot>();

  get size(): number {
    return this.#boots.size;
  }

  /** Takes the numbers of one leaf; answers what is wrong with them, if anything. */
  add(leaf: { readonly [name: string]: Json }): string | undefined {
    const prod = leaf['prod'] as {
      readonly boot: string;
      readonly node: string;
      readonly q: number;
    };
    const boot: Boot = this.#boots.get(prod.boot) ?? {
      node: prod.node,
      seen: new Map(),
      voided: [],
    };
    this.#boots.set(prod.boot, boot);
    if (leaf['op'] === 'audit.void') {
      const { q } = leaf['f'] as { readonly q: readonly (readonly [number, number])[] };
      boot.voided.push(...q);
    }
    if (boot.seen.has(prod.q)) return `number ${prod.q} of boot ${prod.boot} a second time`;
    boot.seen.set(prod.q, Date.parse(leaf['ts'] as string));
    return undefined;
  }

  /** Stretches of numbers that are neither there nor voided, each as the place where it is missing. */
  gaps(): Gap[] {
    return [...this.#boots].flatMap(([id, boot]) =>
      missing(boot).map(([from, to]) => ({
        place: `boot ${boot.node}/${id}`,
        what: from === to ? `number ${from} is missing` : `numbers ${from} to ${to} are missing`,
        before: boot.seen.get(to + 1) ?? 0,
      })),
    );
  }
}

/** Ranges between seen numbers, less the voided ones; the cost does not grow with a range's width. */
function missing({ seen, voided }: Boot): [number, number][] {
  const ranges = [...voided].sort(([a], [b]) => a - b);
  const out: [number, number][] = [];
  let expected = 1;
  let at = 0;
  for (const q of [...seen.keys()].sort((a, b) => a - b)) {
    while (expected < q) {
      while (at < ranges.length && (ranges[at]?.[1] ?? 0) < expected) at += 1;
      const [from = Infinity, to = Infinity] = ranges[at] ?? [];
      if (from > expected) out.push([expected, Math.min(from, q) - 1]);
      expected = from >= q ? q : Math.min(to + 1, q);
    }
    expected = q + 1;
  }
  return out;
}
