// A wait with an end: calls of a token cannot be called off, only waited for no longer.
import { PostsealError } from '../../kernel/errors.ts';

/** `work`, or `key.unavailable` with `reason` after `timeoutMs`; the work itself goes on. */
export async function withinMs<T>(
  work: Promise<T>,
  timeoutMs: number,
  reason: 'timeout' | 'hung',
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new PostsealError('key.unavailable', { reason, timeoutMs }));
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
