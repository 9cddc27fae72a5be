// Turns what a file system says into the error that callers act on (src/vault/packs/body-store.ts).
import { PostsealError } from '../../kernel/errors.ts';
import { codeOf } from './pack-files.ts';

const codes: Readonly<Record<string, 'home.disk-full' | 'home.not-writable'>> = {
  ENOSPC: 'home.disk-full',
  EDQUOT: 'home.disk-full',
  EACCES: 'home.not-writable',
  EPERM: 'home.not-writable',
  EROFS: 'home.not-writable',
};

/** The PostsealError of a failed write or sync in `pack`. */
export function writeFailure(pack: string, cause: unknown): PostsealError {
  if (cause instanceof PostsealError) return cause;
  const system = codeOf(cause) ?? 'unknown';
  return new PostsealError(codes[system] ?? 'store.write-failed', { pack, system }, cause);
}
