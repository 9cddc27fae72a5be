// Turns drafts into leaves: id, time, number of the process, commitments, canonical bytes.
// Source of truth: docs/formats/leaf.md. Synchronous, so that numbers follow the order of calls.
// Invariant: every number of a boot is either in the ledger or named by an `audit.void`.
import { assert, PostsealError } from '../../kernel/errors.ts';
import { type EventId, type OrganisationId, uuidV7 } from '../../kernel/ids.ts';
import { eventBytesMax } from '../../kernel/limits.ts';
import { type Clock, rfc3339Micros, type UnixMs } from '../../kernel/time.ts';
import { canonicalBytes, type JsonValue } from './canonical-json.ts';
import { type EventDraft, type SealedEvent, type SideRow, systemActor } from './draft.ts';
import { isLeafToken, namedIds } from './leaf-projection.ts';
import { eventRegistry } from './registry.ts';
import {
  sealSide,
  sideCommitment,
  type SideCipher,
  type SideKeyring,
  sideRandomBytes,
} from './side-record.ts';

export interface EventSealer {
  /**
   * Throws `limit.reached` above 16 KiB and `key.unavailable` if a subject's side-record key is not
   * loaded; in both cases no number was used.
   */
  seal(draft: EventDraft): SealedEvent;
  /** `q` was sealed but its transaction did not commit, or may not have. */
  void(q: number): void;
  /** `audit.void` events for the numbers so far; MUST go into the next batch. */
  takeVoids(): SealedEvent[];
  /**
   * Runs one writer after the other, first come first served. From sealing to COMMIT nobody else may
   * seal, else a crash could leave a number missing below one that committed, and that is what
   * tampering looks like. Not to be nested.
   */
  exclusive<T>(run: () => Promise<T>): Promise<T>;
}

export interface EventSealerDeps {
  /** Name of this node, stable over restarts. */
  readonly node: string;
  /** Fresh random uuid of this sealer; a new one at every start. */
  readonly boot: string;
  readonly organisation: OrganisationId;
  /** Which part of the server seals: `worker`, `keys`, `sequencer`, … */
  readonly component: string;
  readonly clock: Clock;
  /** `n` bytes from the system's generator. */
  readonly random: (n: number) => Uint8Array;
  /** Left out where no event carries personal values. */
  readonly side?: { readonly keyring: SideKeyring; readonly cipher: Pick<SideCipher, 'seal'> };
}

// One sealer belongs to one serial writer: the committer, the sequencer and the administration of a
// process have one each, with boot ids of their own.

/** Numbers named by one `audit.void`. */
const rangesPerVoid = 500;
/** Voids that may have to be repeated because their own batch failed. */
const voidsRemembered = 4096;

export function createEventSealer(deps: EventSealerDeps): EventSealer {
  let next = 1;
  let lastMicros = 0;
  let pending: number[] = [];
  /** Number of a void event -> the numbers it names. */
  const carried = new Map<number, readonly number[]>();

  const idRandom = slices(deps.random, 16);

  const seal = (draft: EventDraft): SealedEvent => {
    checkTokens(draft);
    const micros = Math.max(deps.clock.now() * 1000, lastMicros + 1);
    const ms = Math.floor(micros / 1000) as UnixMs;
    const id = uuidV7(ms, idRandom()) as EventId;
    const { side, pii } = sealPersonal(draft, id, deps);
    const leaf = leafOf(draft, { id, ts: rfc3339Micros(ms, micros % 1000), q: next, pii }, deps);
    const body = canonicalBytes(leaf);
    if (body.length > eventBytesMax) {
      throw new PostsealError('limit.reached', {
        limit: 'event-bytes',
        op: draft.op,
        bytes: body.length,
      });
    }
    lastMicros = micros;
    next += 1;
    return {
      id,
      body,
      names: namedIds(draft.objects.map((object) => object.id)),
      side,
      q: next - 1,
    };
  };

  const takeVoids = (): SealedEvent[] => {
    const numbers = [...new Set(pending)].sort((a, b) => a - b);
    pending = [];
    const out: SealedEvent[] = [];
    for (let i = 0; i < numbers.length; i += rangesPerVoid) {
      const slice = numbers.slice(i, i + rangesPerVoid);
      const event = seal({
        op: 'audit.void',
        outcome: 'success',
        actor: systemActor,
        objects: [],
        fields: { q: toRanges(slice) },
      });
      carried.set(event.q, slice);
      const oldest = carried.keys().next();
      if (carried.size > voidsRemembered && oldest.done !== true) carried.delete(oldest.value);
      out.push(event);
    }
    return out;
  };

  let last: Promise<unknown> = Promise.resolve();

  return {
    seal,
    takeVoids,
    exclusive(run) {
      const done = last.then(run);
      // Whoever comes next waits for the end, not for the outcome; the caller gets that.
      last = done.catch(() => undefined);
      return done;
    },
    void(q) {
      pending.push(q);
      const again = carried.get(q);
      if (again !== undefined) {
        pending.push(...again);
        carried.delete(q);
      }
    },
  };
}

/** The columns of audit_log repeat these; what they cannot hold must not become a leaf. */
function checkTokens(draft: EventDraft): void {
  assert(isLeafToken(draft.actor.p), 'a pseudonym is a printable token');
  for (const { id } of draft.objects) assert(isLeafToken(id), 'an object id is a printable token');
}

interface Stamp {
  readonly id: EventId;
  readonly ts: string;
  readonly q: number;
  readonly pii: JsonValue[];
}

function leafOf(
  draft: EventDraft,
  stamp: Stamp,
  deps: EventSealerDeps,
): { readonly [name: string]: JsonValue } {
  const leaf: Record<string, JsonValue> = {
    v: 1,
    id: stamp.id,
    ts: stamp.ts,
    cls: eventRegistry[draft.op].class,
    op: draft.op,
    out: draft.outcome,
    act: members(draft.actor),
    obj: draft.objects.map(members),
    src: { c: deps.component },
    ten: deps.organisation,
    prod: { node: deps.node, boot: deps.boot, q: stamp.q },
  };
  if (draft.why !== undefined && Object.keys(draft.why).length > 0)
    leaf['why'] = members(draft.why);
  if (draft.fields !== undefined && Object.keys(draft.fields).length > 0) leaf['f'] = draft.fields;
  if (draft.part !== undefined) leaf['part'] = members(draft.part);
  if (stamp.pii.length > 0) leaf['pii'] = stamp.pii;
  return leaf;
}

/** Plain members of an interface type as JSON; absent ones stay absent. */
function members(value: object): { readonly [name: string]: JsonValue } {
  return { ...value };
}

function sealPersonal(
  draft: EventDraft,
  event: EventId,
  deps: EventSealerDeps,
): { side: SideRow[]; pii: JsonValue[] } {
  const side: SideRow[] = [];
  const pii: JsonValue[] = [];
  for (const item of draft.personal ?? []) {
    assert(!side.some((row) => row.slot === item.slot), 'a slot is used once in an event');
    const held = deps.side?.keyring.keyFor(item.subject);
    if (deps.side === undefined || held === undefined) {
      throw new PostsealError('key.unavailable', { op: draft.op, slot: item.slot });
    }
    const random = deps.random(sideRandomBytes);
    pii.push({ slot: item.slot, commit: sideCommitment(random, item.value) });
    side.push(
      sealSide(item, { event, keyId: held.keyId, key: held.key, random }, deps.side.cipher),
    );
  }
  return { side, pii };
}

/** Sorted numbers as `[[from, to], …]`, both ends included. */
function toRanges(numbers: readonly number[]): JsonValue[] {
  const out: [number, number][] = [];
  for (const n of numbers) {
    const last = out.at(-1);
    if (last !== undefined && last[1] === n - 1) last[1] = n;
    else out.push([n, n]);
  }
  return out;
}

/** Ids are no secrets: their random bytes come from one larger draw, which is much cheaper. */
function slices(random: (n: number) => Uint8Array, bytes: number): () => Uint8Array {
  let pool = new Uint8Array(0);
  let at = 0;
  return () => {
    if (at + bytes > pool.length) {
      pool = Uint8Array.from(random(bytes * 256));
      at = 0;
    }
    at += bytes;
    return pool.subarray(at - bytes, at);
  };
}
