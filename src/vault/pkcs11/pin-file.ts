// The PINs of a token that Postseal set up itself: random, one file each, mode 0600, in the home's
// `keys/` folder. Where the PIN comes from the configuration, no file is written.
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';
import { Secret } from '../../kernel/secret.ts';
import { writeSealedFile } from '../keyfile/write-file.ts';

/** The passphrases stand for PINs where a sealed file stands for the token. */
export type PinName = 'user' | 'so' | 'keys-passphrase' | 'signer-passphrase' | 'backup-passphrase';

const pinBytes = 24;

/** Reads the PIN from its file; undefined if there is none. */
export function readPin(folder: string, name: PinName): Secret | undefined {
  const path = pinPath(folder, name);
  if (!existsSync(path)) return undefined;
  const text = readFileSync(path, 'utf8').trim();
  if (text === '') throw new PostsealError('key.pin', { reason: 'empty-file', pin: name });
  return Secret.fromText(text);
}

/** Reads the PIN or makes and stores a random one; it is on the disk before this returns. */
export async function ensurePin(folder: string, name: PinName): Promise<Secret> {
  const known = readPin(folder, name);
  if (known !== undefined) return known;
  const text = randomBytes(pinBytes).toString('base64url');
  await writeSealedFile(pinPath(folder, name), `${text}\n`);
  return Secret.fromText(text);
}

function pinPath(folder: string, name: PinName): string {
  return join(folder, `${name}.pin`);
}
