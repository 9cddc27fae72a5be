// What a batch of calls works with: keys leased from the caches, and for those that are missing the
// reason. Lookups are synchronous; filling it is key-tree.ts's business.
import { PostsealError } from '../../kernel/errors.ts';
import type { CustodianKeys } from './custodian-keys.ts';
import type { ParentKeys } from './parent-key.ts';
import type { SecretLease } from './secret-cache.ts';

export interface GroupPlace {
  readonly custodian: string;
  readonly group: number;
}

export interface Wanted {
  readonly custodians: readonly string[];
  readonly groups: readonly GroupPlace[];
  /** Groups to make when they are missing. */
  readonly newGroups: readonly GroupPlace[];
}

export function groupName({ custodian, group }: GroupPlace): string {
  return `${custodian}/${group}`;
}

/** The custodian in a `groupName`. */
export function custodianOf(name: string): string {
  return name.slice(0, name.indexOf('/'));
}

/** End it in every case: until then its keys are not zeroed. */
export class KeyBatch {
  readonly #custodians: SecretLease<CustodianKeys>;
  readonly #groups: SecretLease<ParentKeys>;
  readonly #failures = new Map<string, unknown>();

  constructor(custodians: SecretLease<CustodianKeys>, groups: SecretLease<ParentKeys>) {
    this.#custodians = custodians;
    this.#groups = groups;
  }

  /** @throws PostsealError `key.refused` for an unknown custodian, or why its keys did not load. */
  custodian(custodian: string): CustodianKeys {
    const keys = this.#custodians.get(custodian);
    if (keys !== undefined) return keys;
    this.#rethrow(custodian);
    throw new PostsealError('key.refused', { reason: 'custodian-unknown', custodian });
  }

  /** @throws PostsealError `key.destroyed` for a group that has no key. */
  group(place: GroupPlace): ParentKeys {
    const keys = this.#groups.get(groupName(place));
    if (keys !== undefined) return keys;
    this.custodian(place.custodian);
    this.#rethrow(groupName(place));
    throw new PostsealError('key.destroyed', { kind: 'group-key', ...place });
  }

  has(custodian: string): boolean {
    return this.#custodians.get(custodian) !== undefined;
  }

  /** True if the tables have no keys of this custodian. */
  isUnknown(custodian: string): boolean {
    return !this.has(custodian) && !this.#failures.has(custodian);
  }

  /** What is neither here nor known to be unobtainable. A group needs its custodian's keys too. */
  missing(wanted: Wanted): Wanted {
    const custodians = new Set<string>();
    const lacks = (name: string): boolean => !this.#failures.has(name);
    const lacking = (places: readonly GroupPlace[]): GroupPlace[] => {
      const out = new Map<string, GroupPlace>();
      for (const place of places) {
        const name = groupName(place);
        if (out.has(name) || this.#groups.get(name) !== undefined || !lacks(name)) continue;
        out.set(name, place);
        if (!this.has(place.custodian) && lacks(place.custodian)) custodians.add(place.custodian);
      }
      return [...out.values()];
    };
    for (const custodian of wanted.custodians) {
      if (!this.has(custodian) && lacks(custodian)) custodians.add(custodian);
    }
    const groups = lacking(wanted.groups);
    const newGroups = lacking(wanted.newGroups);
    return { custodians: [...custodians], groups, newGroups };
  }

  addCustodian(custodian: string, keys: CustodianKeys): void {
    this.#custodians.put(custodian, keys);
  }

  addGroup(place: GroupPlace, keys: ParentKeys): void {
    this.#groups.put(groupName(place), keys);
  }

  /** Remembers for this batch why keys are not there; `name` is a custodian or a `groupName`. */
  fail(name: string, error: unknown): void {
    this.#failures.set(name, error);
  }

  end(): void {
    this.#custodians.end();
    this.#groups.end();
  }

  #rethrow(name: string): void {
    const failure = this.#failures.get(name);
    if (failure !== undefined) throw failure instanceof Error ? failure : new Error('unknown');
  }
}
