// What the file system refuses while an import reads or writes its files, told with the path.
import { PostsealError } from '../../kernel/errors.ts';

/** `error` as `import.unreadable` if the file system said so, else as it is. */
export function fileError(error: unknown, path: string): unknown {
  if (error instanceof PostsealError || typeof error !== 'object' || error === null) return error;
  const { code, syscall, path: at = path } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  return new PostsealError('import.unreadable', { path: at, reason: code }, error);
}

/** The items of one source; what the file system refuses is `import.unreadable`. */
export async function* readable<T>(items: AsyncIterable<T>, path: string): AsyncGenerator<T> {
  try {
    yield* items;
  } catch (error) {
    throw fileError(error, path);
  }
}
