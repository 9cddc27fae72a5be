// Pseudonyms of actors: stable for queries, linked to nobody once the subject's key is gone.
// Source of truth: docs/formats/leaf.md "Actor".
import { createHmac } from 'node:crypto';

/** 64 hex digits of HMAC-SHA256(K_actor, "actor"); `actorKey` is the subject's 32 random bytes. */
export function actorPseudonym(actorKey: Uint8Array): string {
  return createHmac('sha256', actorKey).update('actor', 'latin1').digest('hex');
}

/**
 * What is kept of a login name that nobody has: 64 hex digits of HMAC-SHA256(dayKey, name), so that
 * repeats within one day can be counted. `dayKey` MUST be thrown away after the day.
 */
export function unknownNameHash(dayKey: Uint8Array, name: string): string {
  return createHmac('sha256', dayKey).update(name, 'utf8').digest('hex');
}
