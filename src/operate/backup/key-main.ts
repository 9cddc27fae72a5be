// The process that asks the token for backup keys, so that a module of a vendor never runs inside of the server
// or of a command. Started by key-process.ts; ends with its parent.
import { PostsealError } from '../../kernel/errors.ts';
import type { OrganisationId } from '../../kernel/ids.ts';
import { openKeyStore } from '../../vault/keys/open-key-store.ts';
import { type BackupKeys, createBackupKeys } from './backup-keys.ts';
import type { BackupKeyPlace, KeyQuestion, KeyReply } from './key-messages.ts';

let keys: BackupKeys | undefined;

async function openPlace(place: BackupKeyPlace): Promise<void> {
  const { organisation, folder, store, first, role = 'backup' } = place;
  const opened = await openKeyStore(store, {
    folder,
    organisationId: organisation,
    role,
    // Whoever reads a key state sets nothing up.
    first: first && role === 'backup',
  });
  keys = createBackupKeys(opened, organisation as OrganisationId);
}

function answer(question: KeyQuestion): Promise<unknown> {
  if (question.ask === 'place') return openPlace(question.place);
  if (keys === undefined) throw new PostsealError('key.unavailable', { reason: 'not open' });
  if (question.ask === 'make') return keys.make();
  return question.ask === 'open'
    ? keys.open(question.keyId, question.wrap)
    : keys.openState(question);
}

function reply(message: KeyReply): void {
  if (process.connected) process.send?.(message);
}

process.on('message', ({ id, question }: { id: number; question: KeyQuestion }) => {
  void (async () => {
    try {
      reply({ id, value: await answer(question) });
    } catch (error) {
      const known =
        error instanceof PostsealError ? error : new PostsealError('internal', {}, error);
      reply({ id, code: known.code, fields: known.fields });
    }
  })();
});
// Without its parent nobody may ask.
process.on('disconnect', () => {
  void (async () => {
    try {
      await keys?.close();
    } finally {
      process.exit(0);
    }
  })();
});
// A signal to the whole group is the parent's to handle.
process.on('SIGINT', () => undefined);
