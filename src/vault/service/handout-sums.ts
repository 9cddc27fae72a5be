// Handed-out keys that are not written yet, summed by everything that tells two rows apart (handouts.ts).
import type { KeySlot, OpenGrant } from '../keys/types.ts';
import type { HandoutRow } from './handout-rows.store.ts';

export type Owned = Pick<KeySlot, 'custodian' | 'purpose' | 'objectId'>;

interface Sum extends Omit<HandoutRow, 'keys' | 'objects'> {
  keys: number;
  readonly objects: string[];
}

const noReason = { events: [], purpose: undefined, from: undefined } as const;

export class HandoutSums {
  #sums = new Map<string, Sum>();
  #objects = 0;

  get rows(): number {
    return this.#sums.size;
  }

  /** Ids that wait with them. */
  get objects(): number {
    return this.#objects;
  }

  opened({ events, purpose }: OpenGrant, slots: readonly Owned[]): void {
    const reason = [...events].sort();
    const begin = `o ${reason.join(' ')} ${purpose}`;
    for (const { custodian, purpose: keyKind, objectId } of slots) {
      const about = { kind: 'opened', custodian, events: reason, purpose, keyKind } as const;
      this.#add(`${begin} ${custodian} ${keyKind}`, { ...about, from: undefined }, 1, [objectId]);
    }
  }

  moved(from: string, { custodian, purpose: keyKind, objectId }: Owned): void {
    const about = { ...noReason, kind: 'moved', custodian, from, keyKind } as const;
    this.#add(`m ${from} ${custodian} ${keyKind}`, about, 1, [objectId]);
  }

  counted(kind: 'wrapped' | 'write', custodian: string, keyKind: string): void {
    this.#add(`${kind} ${custodian} ${keyKind}`, { ...noReason, kind, custodian, keyKind }, 1, []);
  }

  /** All that there is, which leaves nothing. */
  take(): ReadonlyMap<string, HandoutRow> {
    const taken = this.#sums;
    this.#sums = new Map();
    this.#objects = 0;
    return taken;
  }

  /** What was taken and could not be written. */
  putBack(taken: ReadonlyMap<string, HandoutRow>): void {
    for (const [name, { keys, objects, ...about }] of taken) this.#add(name, about, keys, objects);
  }

  #add(name: string, about: Omit<Sum, 'keys' | 'objects'>, keys: number, ids: readonly string[]) {
    const sum = this.#sums.get(name) ?? { ...about, keys: 0, objects: [] };
    sum.keys += keys;
    for (const id of ids) sum.objects.push(id);
    this.#objects += ids.length;
    this.#sums.set(name, sum);
  }
}
