// An event before and after sealing. Source of truth of the bytes: docs/formats/leaf.md.
import type { CustodianId, EventId, KeyId, PersonId, SessionId } from '../../kernel/ids.ts';
import type { JsonValue } from './canonical-json.ts';
import type { ObjectKind } from './event-spec.ts';
import type { EventName } from './registry.ts';

export type Outcome = 'success' | 'failure' | 'denied';

/** Who acted. Never a name or an address: `p` is a keyed pseudonym or the word `system`. */
export interface Actor {
  readonly role: string;
  /** 64 hex digits of HMAC-SHA256(K_actor, "actor"), or `system`, or `unknown`. */
  readonly p: string;
  /** How the actor proved it: `password`, `app-password`, `socket`, `none`, … */
  readonly auth: string;
  readonly mfa?: boolean;
  readonly session?: SessionId;
}

/** The server itself as actor. */
export const systemActor: Actor = { role: 'system', p: 'system', auth: 'none' };

export interface EventObject {
  readonly t: ObjectKind;
  readonly id: string;
  /** Size in octets. */
  readonly sz?: number;
  /** Count, for example of messages. */
  readonly n?: number;
}

export interface PersonalValue {
  /** What the value is: `address`, `ip`, `terms`, …; unique within the event. */
  readonly slot: string;
  readonly subject: CustodianId | PersonId;
  readonly value: JsonValue;
}

export interface EventDraft {
  readonly op: EventName;
  readonly outcome: Outcome;
  readonly actor: Actor;
  readonly objects: readonly EventObject[];
  readonly why?: { readonly policy?: string; readonly ticket?: string; readonly basis?: string };
  /** No personal data: ids, counts, uid sets, codes. */
  readonly fields?: Readonly<Record<string, JsonValue>>;
  /** Becomes a commitment in the leaf and a sealed side record. */
  readonly personal?: readonly PersonalValue[];
  /** This event is part `i` of `n` (from 1) of the large operation `of`. */
  readonly part?: { readonly of: string; readonly i: number; readonly n: number };
}

/** A row of `audit_side` (docs/formats/side-record.md). */
export interface SideRow {
  readonly event: EventId;
  readonly slot: string;
  readonly subject: CustodianId | PersonId;
  readonly keyId: KeyId;
  readonly sealed: Uint8Array;
}

export interface SealedEvent {
  readonly id: EventId;
  /** Canonical bytes: what is hashed, stored and bundled. At most `eventBytesMax`. */
  readonly body: Buffer;
  /** Ids of `objects` that are uuids, in their order: what guarded rows may name it for. */
  readonly names: readonly string[];
  readonly side: readonly SideRow[];
  /** Number of this event among all of this process's boot, from 1. */
  readonly q: number;
}
