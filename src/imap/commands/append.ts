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
import { recordRefusal } from '../append-refusal.ts';
import type { IngestInput, PreparedRecord } from '../../archive/types.ts';
import type { Place } from '../../mailbox/types.ts';
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
  {
    parseHead,
    admit: (session, head, literal) => recordRefusal(session, () => admit(session, head, literal)),
    receive: async (session, incoming) => {
      const received = await recordRefusal(session, () => receive(session, incoming));
      return { ...received, finish: () => recordRefusal(session, () => received.finish()) };
    },
  },
);

function parseHead(dec: Decoder): AppendHead {
  dec.expectSp();
  return expectAppendHead(dec);
}

async function admit(session: Session, head: AppendHead, literal: LiteralStart): Promise<void> {
  if (literal.size > session.deps.settings.messageBytesMax) {
    throw new ImapError('NO', 'TOOBIG', 'The message is too large');
  }
  if (literal.size === 0) throw new ImapError('NO', 'CANNOT', 'The message is empty');
  // What is not taken whole can be stored once only: there the name had better be right.
  const now = literal.size > wholeBytesMax;
  if ((await session.account.place(head.mailbox, { now })) === undefined) throw noMailbox();
}

function noMailbox(): ImapError {
  return new ImapError('NO', 'TRYCREATE', 'There is no such mailbox');
}

async function receive(session: Session, incoming: Incoming): Promise<ReceivedLiteral> {
  const { literal, octets, head } = incoming;
  const { size } = literal;
  const prepare = (bytes: IngestInput['bytes']): Promise<PreparedRecord> => {
    const { custodian } = session.signedIn.account;
    return session.deps.archive.prepare({ custodian, source: 'append', bytes, size });
  };
  const bytes = size <= wholeBytesMax ? await whole(octets, size) : undefined;
  let record = await prepare(bytes ?? octets);
  let used = false;
  return {
    abandon: () => record.discard(),
    finish: async () => {
      try {
        const done = await session.account.at(head.mailbox, async (place) => {
          if (used) {
            // The name has gone over to another mailbox, and what was refused is not stored again.
            await record.discard();
            if (bytes === undefined) throw noMailbox();
            record = await prepare(bytes);
          }
          used = true;
          return commit(session, { head, place, record });
        });
        if (done === undefined) throw noMailbox();
        return done;
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
  message: { readonly head: AppendHead; readonly place: Place; readonly record: PreparedRecord },
): Promise<Completion> {
  const { head, place, record } = message;
  const { id, nameTag } = place;
  const { deps, signedIn, account } = session;
  const { actor } = signedIn;
  const flags =
    head.flags.length === 0 ? 0 : await account.flagBits(id, head.flags, actor, nameTag);
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
        fields: { original: record.commitment },
      },
    ],
    parts: [
      record.part(),
      deps.mailboxes.appendPart({
        custodian,
        mailbox: id,
        nameTag,
        record,
        flags,
        internalDate: head.date?.at ?? deps.clock.now(),
      }),
    ],
  });
  const [, appended] = outputs;
  return { code: `APPENDUID ${appended.uidValidity} ${appended.uid}`, text: 'Kept' };
}
