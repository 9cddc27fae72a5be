// Arguments of APPEND up to the message literal (RFC 9051 §6.3.12). The message itself is streamed,
// so this is read twice: when its literal is announced, and when the whole command is there.
import type { Decoder } from './decoder.ts';
import { type DateTime, dateTime } from './decode-date.ts';
import { flagList } from './decode-flags.ts';
import { expectMailbox } from './decode-mailbox.ts';

export interface AppendHead {
  readonly mailbox: string;
  readonly flags: readonly string[];
  /** Null: the time of arrival. */
  readonly date: DateTime | null;
}

/** Everything after `APPEND` and its space, up to the literal marker. */
export function expectAppendHead(dec: Decoder): AppendHead {
  const mailbox = expectMailbox(dec);
  dec.expectSp();
  const flags = flagList(dec);
  if (flags !== null) dec.expectSp();
  const date = dateTime(dec);
  if (date !== null) dec.expectSp();
  return { mailbox, flags: flags ?? [], date };
}
