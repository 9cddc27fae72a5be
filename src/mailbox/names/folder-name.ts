// Which mailbox names are allowed, and their one spelling (RFC 9051 §5.1, §6.3.4). Pure.
// A name is Unicode in NFC, levels separated by `/`; INBOX is known in any case, also as first level.
import { PostsealError } from '../../kernel/errors.ts';

export const hierarchySeparator = '/';
export const inboxName = 'INBOX';
const levelBytesMax = 255;
const nameBytesMax = 1_000;
const levelsMax = 32;

// Controls, line and paragraph separators, and characters that change the reading direction of the
// rest of a line: none of them can be seen in a folder list, so two names would look the same.
const refused = /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u;

/**
 * The spelling under which a name is stored. One separator at the end is dropped: clients use it to
 * say that they will make children (RFC 9051 §6.3.4).
 * @throws PostsealError `mailbox.name` with `fields.reason`, never with the name.
 */
export function folderName(raw: string): string {
  const name = raw.normalize('NFC').replace(/\/$/, '');
  const refuse = (reason: string) => new PostsealError('mailbox.name', { reason });
  if (name === '') throw refuse('empty');
  if (refused.test(name)) throw refuse('character');
  if (name.startsWith('#')) throw refuse('namespace');
  if (Buffer.byteLength(name) > nameBytesMax) throw refuse('length');
  const levels = name.split(hierarchySeparator);
  if (levels.length > levelsMax) throw refuse('depth');
  for (const level of levels) {
    if (level === '') throw refuse('empty-level');
    if (Buffer.byteLength(level) > levelBytesMax) throw refuse('length');
  }
  return withInbox(name);
}

/** For looking a name up: its stored spelling, or undefined if no mailbox can have it. */
export function lookupName(raw: string): string | undefined {
  try {
    return folderName(raw);
  } catch (error) {
    if (error instanceof PostsealError && error.code === 'mailbox.name') return undefined;
    throw error;
  }
}

/** `a` and `a/b` for `a/b/c`. */
export function parentNames(name: string): string[] {
  const levels = name.split(hierarchySeparator);
  return levels.slice(1).map((_, i) => levels.slice(0, i + 1).join(hierarchySeparator));
}

export function isBelow(name: string, parent: string): boolean {
  return name.startsWith(parent + hierarchySeparator);
}

/** INBOX first, then by code point. */
export function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  if (a === inboxName) return -1;
  if (b === inboxName) return 1;
  return a < b ? -1 : 1;
}

function withInbox(name: string): string {
  const [first = ''] = name.split(hierarchySeparator, 1);
  return first.toUpperCase() === inboxName ? inboxName + name.slice(inboxName.length) : name;
}
