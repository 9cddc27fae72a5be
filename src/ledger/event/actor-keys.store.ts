// Keys of pseudonyms: 32 random bytes a subject, sealed under the subject's side-record key, so that
// destroying that key unlinks the pseudonym for ever (docs/formats/side-record.md "Actor keys").
import { type CustodianId, type KeyId, type PersonId, uuidToBytes } from '../../kernel/ids.ts';
import { InvariantViolation, PostsealError } from '../../kernel/errors.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { statement } from '../../platform/postgres/statement.ts';
import { actorPseudonym } from './pseudonym.ts';
import type { SideCipher, SideKeyring } from './side-record.ts';

type Subject = CustodianId | PersonId;

/** Pseudonyms of the subjects that this process has met; no key is kept, only what it gave. */
export interface Pseudonyms {
  /** Reads, or creates, the subject's actor key. Idempotent. Throws `key.unavailable`. */
  load(subject: Subject): Promise<string>;
  /** Throws `InvariantViolation` unless `load` was called for the subject. */
  of(subject: Subject): string;
  /** After an erasure of the subject. */
  forget(subject: Subject): void;
}

export interface PseudonymDeps {
  readonly database: Pick<Database, 'pool'>;
  readonly keyring: SideKeyring;
  readonly cipher: SideCipher;
  readonly random: (n: number) => Uint8Array;
}

const select = statement<{ key_id: string; sealed: Buffer }>(
  'ledger.actor-key.select',
  'SELECT key_id, sealed FROM public.audit_subject WHERE subject = $1',
);
const insert = statement(
  'ledger.actor-key.insert',
  `INSERT INTO public.audit_subject (subject, key_id, sealed) VALUES ($1, $2, $3)
   ON CONFLICT (subject) DO NOTHING`,
);
const label = Buffer.from('postseal/actor-key/1\0', 'latin1');

export function createPseudonyms(deps: PseudonymDeps): Pseudonyms {
  const known = new Map<Subject, string>();

  const load = async (subject: Subject): Promise<string> => {
    const cached = known.get(subject);
    if (cached !== undefined) return cached;
    await deps.keyring.load([subject]);
    const held = deps.keyring.keyFor(subject);
    if (held === undefined) throw new PostsealError('key.unavailable', { slot: 'side-record' });
    const aad = Buffer.concat([label, uuidToBytes(subject)]);
    let row = await select.first(deps.database.pool, [subject]);
    if (row === undefined) {
      const fresh = deps.random(32);
      await insert.run(deps.database.pool, [
        subject,
        held.keyId,
        deps.cipher.seal(held.key, aad, fresh),
      ]);
      // Another process may have been first: what the table holds is the key.
      row = await select.first(deps.database.pool, [subject]);
    }
    if (row === undefined) throw new PostsealError('key.destroyed', { slot: 'actor' });
    if (row.key_id !== (held.keyId satisfies KeyId as string)) {
      throw new PostsealError('key.unavailable', {
        slot: 'actor',
        reason: 'sealed under another key',
      });
    }
    const pseudonym = actorPseudonym(deps.cipher.open(held.key, aad, row.sealed));
    known.set(subject, pseudonym);
    return pseudonym;
  };

  return {
    load,
    of(subject) {
      const pseudonym = known.get(subject);
      if (pseudonym === undefined) throw new InvariantViolation('the pseudonym was not loaded');
      return pseudonym;
    },
    forget: (subject) => void known.delete(subject),
  };
}
