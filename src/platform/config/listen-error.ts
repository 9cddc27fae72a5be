// Why a listener does not open, in the words of its configuration. Codes: listen(2), getaddrinfo(3).
import { PostsealError } from '../../kernel/errors.ts';
import type { ListenerConfig, ListenerName } from './config.ts';

/** What another host or port in the configuration puts right. */
const wrongAddress: ReadonlySet<string> = new Set([
  'EACCES',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EINVAL',
  'ENOTFOUND',
]);

/** `home.port-taken` or `config.listener`; anything else is a fault of ours. */
export function listenError(
  listener: ListenerName,
  { host, port }: Pick<ListenerConfig, 'host' | 'port'>,
  cause: unknown,
): PostsealError {
  const { code = '' } = cause as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return new PostsealError('home.port-taken', { listener, port }, cause);
  const at = { listener, host, port };
  if (!wrongAddress.has(code)) return new PostsealError('internal', at, cause);
  return new PostsealError('config.listener', { ...at, reason: code }, cause);
}
