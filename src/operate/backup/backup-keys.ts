// Keys of backups on a key store: a fresh backup key under the backup KEK for whoever writes, and its opening
// for whoever verifies or restores. docs/formats/backup.md "Backup key".
import { randomBytes } from 'node:crypto';
import { uuidV4, type OrganisationId } from '../../kernel/ids.ts';
import { backupKekGeneration, backupKeyContext } from '../../vault/formats/backup-file.ts';
import { kekContextBytes } from '../../vault/keys/kek-blob.ts';
import { keyStateContext } from '../../vault/formats/key-state-file.ts';
import type { KeyStore } from '../../vault/keys/key-store.ts';
import type { WrappedUnder } from './key-messages.ts';

export interface BackupKey {
  readonly id: string;
  /** 32 bytes; zero it after use. */
  readonly key: Uint8Array;
  /** For the heads of files. */
  readonly wrap: Uint8Array;
}

export interface BackupKeys {
  /** A new key; makes the backup KEK at the first call. @throws PostsealError `key.unavailable`. */
  make(): Promise<BackupKey>;
  /**
   * Opens the wrap of a head. @throws PostsealError `key.destroyed` where the token has no backup KEK of this
   * organisation, IntegrityError for a changed wrap.
   */
  open(keyId: string, wrap: Uint8Array): Promise<Uint8Array>;
  /**
   * Opens the wrap of a file of the key state. @throws PostsealError `key.destroyed` where its generation is,
   * IntegrityError for a changed wrap.
   */
  openState(asked: WrappedUnder): Promise<Uint8Array>;
  close(): Promise<void>;
}

export function createBackupKeys(store: KeyStore, organisation: OrganisationId): BackupKeys {
  const context = (keyId: string): Uint8Array =>
    kekContextBytes(backupKeyContext(organisation, keyId));
  return {
    async make() {
      const kek = await store.ensureKek(backupKekGeneration);
      const id = uuidV4(randomBytes(16));
      const key = randomBytes(32);
      return { id, key, wrap: await store.wrap(kek.id, context(id), key) };
    },
    open: (keyId, wrap) =>
      // The name is of docs/formats/kek-wrap.md; here a missing KEK must be a failure and not be made.
      store.unwrap(
        `postseal kek ${organisation} ${String(backupKekGeneration)}`,
        context(keyId),
        wrap,
      ),
    openState: ({ keyId, generation, wrap }) =>
      store.unwrap(
        `postseal kek ${organisation} ${String(generation)}`,
        kekContextBytes(keyStateContext(organisation, keyId, generation)),
        wrap,
      ),
    close: () => store.close(),
  };
}
