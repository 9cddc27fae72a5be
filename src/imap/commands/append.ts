// APPEND (RFC 9051 §6.3.12, RFC 4315, RFC 7888, RFC 7889, RFC 3516): the message is parsed, sealed and
// packed while its octets come in, and acknowledged when the record and its place are durable.
import {
  command,
  type Completion,
  type ReceivedLiteral,
  signedInStates,
  type StreamSpec,
} from '../command.ts';
import type { Session } from '../session.ts';
import type { MailboxId } from '../../kernel/ids.ts';
import type { PreparedRecord } from '../../archive/types.ts';
import { type AppendHead, expectAppendHead } from '../wire/decode-append.ts';
import type { Decoder } from '../wire/decoder.ts';
import { ImapError } from '../wire/imap-error.ts';
import type { LiteralStart } from '../wire/raw-command.ts';

type Incoming = Parameters<StreamSpec<AppendHead>['receive']>[1];

/** Smaller messages are taken whole, which is the quicker way in. */
const wholeBytesMax = 262_144;

export const append = command(
  {
    name: 'APPEND',
    states: signedInStates,
    capabilities: [
      { name: 'LITERAL+' },
      {
        name: (s) => `APPENDLIMIT=${s.deps.settings.messageBytesMax}`,
        when: (s) => s.state !== 'not-authenticated',
      },
    ],
    rfc: 'RFC 9051 §6.3.12',
    // A command that comes here had no message literal: only the stream below takes one.
    parse: (dec) => {
      parseHead(dec);
      throw dec.fail('expected a message literal');
    },
    run: () => Promise.reject(new ImapError('BAD', 'CLIENTBUG', 'There was no message')),
  },
  { parseHead, admit, receive },
);

function parseHead(dec: Decoder): AppendHead {
  dec.expectSp();
  return expectAppendHead(dec);
}

async function admit(
  session: Session,
  head: AppendHead,
  literal: LiteralStart,
): Promise<MailboxId> {
  if (literal.size > session.deps.settings.messageBytesMax) {
    throw new ImapError('NO', 'TOOBIG', 'The message is too large');
  }
  if (literal.size === 0) throw new ImapError('NO', 'CANNOT', 'The message is empty');
  const folder = await session.folder(head.mailbox);
  if (folder === null) throw new ImapError('NO', 'TRYCREATE', 'There is no such mailbox');
  return folder.id;
}

async function receive(session: Session, incoming: Incoming): Promise<ReceivedLiteral> {
  const { literal, octets, head, mailbox } = incoming;
  const record = await session.deps.archive.prepare({
    custodian: session.signedIn.account.custodian,
    source: 'append',
    bytes: literal.size <= wholeBytesMax ? await whole(octets, literal.size) : octets,
    size: literal.size,
  });
  return {
    abandon: () => record.discard(),
    finish: async () => {
      try {
        return await commit(session, { head, id: mailbox, record });
      } catch (error) {
        await record.discard();
        throw error;
      }
    },
  };
}

async function whole(octets: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for await (const chunk of octets) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

async function commit(
  session: Session,
  message: { readonly head: AppendHead; readonly id: MailboxId; readonly record: PreparedRecord },
): Promise<Completion> {
  const { head, id, record } = message;
  const { deps, signedIn, account } = session;
  const { actor } = signedIn;
  const flags = head.flags.length === 0 ? 0 : await account.flagBits(id, [...head.flags], actor);
  const { custodian } = signedIn.account;
  const { outputs } = await deps.committer.commit({
    events: [
      {
        op: 'mail.appended',
        outcome: 'success',
        actor,
        objects: [
          { t: 'mbx', id },
          { t: 'cus', id: custodian },
          { t: 'rec', id: record.recordId, sz: record.size },
        ],
      },
    ],
    parts: [
      record.part(),
      deps.mailboxes.appendPart({
        custodian,
        mailbox: id,
        record,
        flags,
        internalDate: head.date?.at ?? deps.clock.now(),
      }),
    ],
  });
  const [, appended] = outputs;
  return { code: `APPENDUID ${appended.uidValidity} ${appended.uid}`, text: 'Kept' };
}
