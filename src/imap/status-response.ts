// The STATUS response (RFC 9051 §7.3.4): shared by STATUS and LIST RETURN (STATUS …).
import { assert } from '../kernel/errors.ts';
import type { StatusCounts, StatusWish } from '../mailbox/types.ts';
import type { Session } from './session.ts';
import type { StatusItem } from './wire/decode-status.ts';

type Value = (counts: StatusCounts, session: Session) => number;

const values: Readonly<Record<StatusItem, Value>> = {
  MESSAGES: (c) => c.messages,
  RECENT: ({ recent }) => {
    assert(recent !== undefined, '\\Recent was asked for');
    return recent;
  },
  UIDNEXT: (c) => c.uidNext,
  UIDVALIDITY: (c) => c.uidValidity,
  UNSEEN: (c) => c.unseen,
  DELETED: (c) => c.deleted,
  SIZE: (c) => c.size,
  HIGHESTMODSEQ: (c) => c.highestModSeq,
  APPENDLIMIT: (_c, session) => session.deps.settings.messageBytesMax,
};

/** What must be read for these items. */
export function wishOf(items: readonly StatusItem[]): StatusWish {
  return { recent: items.includes('RECENT') };
}

export function writeStatus(
  session: Session,
  name: string,
  counts: StatusCounts,
  items: readonly StatusItem[],
): void {
  const told = items.map((item) => `${item} ${values[item](counts, session)}`);
  session.out.enc
    .raw('* STATUS ')
    .mailbox(name)
    .raw(` (${told.join(' ')})\r\n`);
}
