// Names of accounts and mail addresses: one spelling, so that they can be looked up. Pure.
import { PostsealError } from '../../kernel/errors.ts';

const nameBytesMax = 255;
const refused = /[\p{Cc}\p{Cs}\p{Z}"(),:;<>[\]\\]/u;

/** Lower case, NFC. */
export function foldName(raw: string): string {
  return raw.normalize('NFC').toLowerCase();
}

/** @throws PostsealError `account.name`. */
export function accountName(raw: string): string {
  const name = foldName(raw);
  const good = name !== '' && Buffer.byteLength(name) <= nameBytesMax && !refused.test(name);
  if (!good || name.split('@').length > 2 || name.startsWith('@') || name.endsWith('@')) {
    throw new PostsealError('account.name');
  }
  return name;
}

/** The address without its `+detail`, or undefined when it has none. */
export function withoutDetail(address: string): string | undefined {
  const at = address.lastIndexOf('@');
  const local = at < 0 ? address : address.slice(0, at);
  const plus = local.indexOf('+');
  return plus <= 0 ? undefined : local.slice(0, plus) + (at < 0 ? '' : address.slice(at));
}
