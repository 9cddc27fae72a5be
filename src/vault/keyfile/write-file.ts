// Writes a small secret file so that a crash leaves the old or the new one, whole: a temporary file of
// mode 0600, fsync, rename, fsync of the folder.
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Replaces `path` by `content`, mode 0600, durable when the promise resolves. */
export async function writeSealedFile(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
