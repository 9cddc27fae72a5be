// The vault's part of side records (docs/formats/side-record.md): the subjects' keys by way of the key
// service, and the cipher. Sealing needs no event; opening goes through `KeyClient.open`.
import { randomBytes } from 'node:crypto';
import { IntegrityError } from '../../kernel/errors.ts';
import type { CustodianId, KeyId, PersonId } from '../../kernel/ids.ts';
import type { SideCipher, SideKeyring } from '../../ledger/event/side-record.ts';
import { openXchacha, sealXchacha, xchachaNonceBytes } from '../xchacha.ts';
import type { KeyClient } from './types.ts';

type Subject = CustodianId | PersonId;

export interface FlushableKeyring extends SideKeyring {
  /** Forgets one subject's key, or all, and zeroes them. */
  flush(subject?: Subject): void;
}

/** Subjects remembered by a process; the least recently used go first. */
const subjectsMax = 20_000;

export function createSideKeyring(client: Pick<KeyClient, 'writeKey'>): FlushableKeyring {
  const known = new Map<Subject, { readonly keyId: KeyId; readonly key: Buffer }>();
  const loading = new Map<Subject, Promise<void>>();

  const forget = (subject: Subject): void => {
    known.get(subject)?.key.fill(0);
    known.delete(subject);
  };
  const fetchKey = async (subject: Subject): Promise<void> => {
    // A person owns keys as a custodian does; the service tells them apart by nothing but the id.
    const { id, key } = await client.writeKey('side-record', subject as string as CustodianId);
    forget(subject);
    known.set(subject, { keyId: id, key });
    for (const oldest of known.keys()) {
      if (known.size <= subjectsMax) break;
      forget(oldest);
    }
  };

  return {
    keyFor: (subject) => {
      const held = known.get(subject);
      if (held === undefined) return undefined;
      known.delete(subject);
      known.set(subject, held);
      return held;
    },
    load: async (subjects) => {
      await Promise.all(
        subjects.map((subject) => {
          if (known.has(subject)) return Promise.resolve();
          const running =
            loading.get(subject) ??
            fetchKey(subject).finally(() => {
              loading.delete(subject);
            });
          loading.set(subject, running);
          return running;
        }),
      );
    },
    flush: (subject) => {
      for (const one of subject === undefined ? [...known.keys()] : [subject]) forget(one);
    },
  };
}

/** XChaCha20-Poly1305 with a random nonce in front. */
export const sideCipher: SideCipher = {
  seal: (key, aad, plain) => {
    const nonce = randomBytes(xchachaNonceBytes);
    return Buffer.concat([nonce, sealXchacha(key, nonce, aad, plain)]);
  },
  open: (key, aad, sealed) => {
    const nonce = sealed.subarray(0, xchachaNonceBytes);
    const plain =
      nonce.length === xchachaNonceBytes
        ? openXchacha(key, nonce, aad, sealed.subarray(xchachaNonceBytes))
        : undefined;
    if (plain === undefined) throw new IntegrityError('integrity.tag', { format: 'side-record' });
    return plain;
  },
};
