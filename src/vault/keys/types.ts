// What the rooms below know of keys: slots, grants and the client. Keys themselves live in the key
// service (docs/architecture.md §3); a node sees only wraps, and the keys that a grant has opened.
// Source of truth of the tree: docs/formats/kek-wrap.md and docs/formats/wrap.md.
import type { CustodianId, EventId, KeyId, SessionId } from '../../kernel/ids.ts';
import type { GenerationAnswers, GenerationStep } from './generation-steps.ts';
import type { StoredKey } from './key-store.ts';
import type { Purpose } from '../formats/purposes.ts';

/** What a wrapped key that a node may hold is for; a part of the registry of purposes. */
export type WrapPurpose = Extract<
  Purpose,
  'dek' | 'part' | 'cell' | 'page' | 'names' | 'side-record' | 'segment'
>;

/** Where a key hangs in the tree. A wrap opens only with the slot under which it was made. */
export interface KeySlot {
  readonly custodian: CustodianId;
  /** recordNo >> 12; 0 for purposes directly under the custodian key: names, side-record, segment. */
  readonly group: number;
  readonly purpose: WrapPurpose;
  /** A uuid: content id, record id, page id, account id, segment id. */
  readonly objectId: string;
}

/** Why a key is opened. Each is a row of src/vault/keys/grant-rules.ts. */
export type GrantPurpose =
  'owner-read' | 'owner-search' | 'sign-in' | 'dpo' | 'case' | 'verify' | 'maintenance';

/**
 * Names the session, the purpose and the ledger events that allow an opening. Every event must be
 * committed, be of an operation that fits, carry this session as its actor's, be at most ten minutes
 * old, and name the custodians whose keys it opens as `{t:'cus', id}` among its objects.
 */
export interface OpenGrant {
  readonly session: SessionId;
  readonly purpose: GrantPurpose;
  readonly events: readonly EventId[];
}

/** Keys that a node may keep, because it writes with them. */
export type WriteSlot = 'side-record' | 'names' | 'dedup';

export interface WriteKey {
  readonly id: KeyId;
  readonly version: number;
  /** 32 bytes; zero it after use. */
  readonly key: Buffer;
}

export interface KeyStatus {
  /** False while the token does not answer; what is cached still opens. */
  readonly available: boolean;
  readonly kind: string;
  readonly tokenClass: 'hsm' | 'software-token' | 'keyfile';
  readonly token: string;
  readonly profile: string;
  readonly mechanism: string;
  readonly generation: number;
  readonly custodianKeysCached: number;
  readonly groupKeysCached: number;
  readonly wraps: number;
  readonly opens: number;
  readonly refusals: number;
}

/**
 * The way of a node to its keys. Every call may fail with `key.unavailable` (retryable). Calls of one
 * tick travel in one frame. Results stand in the order of the items.
 */
export interface KeyClient {
  /** Creates the custodian's keys, with rows and events. Idempotent. */
  ensureCustodian(custodian: CustodianId): Promise<void>;
  /** Wraps fresh keys (32 bytes each); creates the group key on first use. Needs no event. */
  wrap(items: readonly (KeySlot & { readonly key: Uint8Array })[]): Promise<Buffer[]>;
  /** Moves wraps to other slots; the keys never leave the service. */
  rewrap(
    items: readonly {
      readonly from: KeySlot & { readonly wrap: Uint8Array };
      readonly to: KeySlot;
    }[],
  ): Promise<Buffer[]>;
  /**
   * Opens wraps under a grant; zero the keys after use. An empty wrap in the slots `names` and
   * `side-record` opens the custodian's own key of that slot.
   * @throws PostsealError `key.refused` (fields.reason), `key.destroyed`; IntegrityError for a wrap of
   * another slot. One bad item fails the call.
   */
  open(
    grant: OpenGrant,
    items: readonly (KeySlot & { readonly wrap: Uint8Array })[],
  ): Promise<Buffer[]>;
  /** The live key of a write slot. `organisation` goes with `dedup` alone. */
  writeKey(slot: WriteSlot, custodian: CustodianId | 'organisation'): Promise<WriteKey>;
  status(): Promise<KeyStatus>;
  /** What lies in the token, by attributes alone. */
  inventory(): Promise<readonly StoredKey[]>;
  /**
   * One step of a switch of key generations; may be repeated. @throws PostsealError `key.refused`,
   * `key.token`, `key.unavailable`, `store.conflict` (the lease is gone, or rows moved: ask again).
   */
  generation<S extends GenerationStep>(step: S): Promise<GenerationAnswers[S['do']]>;
  close(): Promise<void>;
}
