// LMTP (RFC 2033) by the smtp-server library: one reply a recipient, each sent only after that
// recipient's transaction is durable. Back-pressure is a 4xx: the mail stays in the sender's queue.
import { Readable } from 'node:stream';
import {
  type SMTPServerAddress,
  type SMTPServerDataStream,
  type SMTPServerSession,
  SMTPServer,
} from 'smtp-server';
import { PostsealError } from '../../kernel/errors.ts';
import type { Account, MailboxService } from '../../mailbox/types.ts';
import { listenError } from '../../platform/config/listen-error.ts';
import type { Log } from '../../platform/log/log.ts';
import { type Delivered, type Delivery } from './delivery.ts';
import { lmtpReply, LmtpRefusal } from './lmtp-replies.ts';

export interface LmtpServer {
  /** Port that it listens on. */
  readonly port: number;
  /** Takes nothing new and lets transactions under way end. */
  close(): Promise<void>;
}

export interface LmtpServerOptions {
  readonly host: string;
  readonly port: number;
  readonly messageBytesMax: number;
  /** More of them are put off one by one (RFC 5321 §4.5.3.1.8, §4.5.3.1.10). */
  readonly recipientsMax: number;
  readonly delivery: Delivery;
  readonly mailboxes: Pick<MailboxService, 'resolveAddress'>;
  readonly log: Log;
}

interface Recipient {
  readonly address: SMTPServerAddress;
  readonly account: Account;
}

/** One for each RCPT that was accepted, in order, for one transaction of one connection. */
type Recipients = Recipient[];

async function acceptRecipient(
  options: LmtpServerOptions,
  recipients: Recipients,
  address: SMTPServerAddress,
  peer: string,
): Promise<void> {
  const { delivery } = options;
  if (recipients.length >= options.recipientsMax) {
    await delivery.refused({ reason: 'too-many-recipients', peer });
    throw new LmtpRefusal(452, '4.5.3 too many recipients');
  }
  const account = await options.mailboxes.resolveAddress(address.address);
  if (account === undefined) {
    await delivery.refused({ reason: 'unknown', peer });
    throw new LmtpRefusal(550, '5.1.1 no such recipient');
  }
  if (account.state !== 'active') {
    await delivery.refused({ reason: 'disabled', account: account.id, peer });
    throw new LmtpRefusal(550, '5.2.1 account disabled');
  }
  recipients.push({ address, account });
}

/** A message whose announced size is above the limit is refused before it comes (RFC 1870 §6.1). */
async function acceptSize(
  options: LmtpServerOptions,
  { args }: SMTPServerAddress,
  peer: string,
): Promise<void> {
  const announced = args === false ? undefined : args['SIZE'];
  if (announced === undefined || Number(announced) <= options.messageBytesMax) return;
  await options.delivery.refused({ reason: 'too-large', peer });
  throw new PostsealError('limit.message-size', { max: options.messageBytesMax });
}

async function deliver(
  options: LmtpServerOptions,
  recipients: Recipients,
  stream: SMTPServerDataStream,
  session: SMTPServerSession,
): Promise<readonly (string | LmtpRefusal)[]> {
  const from = session.envelope.mailFrom;
  const peer = session.remoteAddress;
  const input = {
    accounts: recipients.map(({ account }) => account),
    from: from === false ? '' : from.address,
    to: recipients.map(({ address }) => address.address),
    bytes: limited(stream, options.messageBytesMax),
    peer,
  };
  const results = await options.delivery.deliver(input).catch(async (error: unknown) => {
    // A sender that left before the end has refused itself, and gets no answer.
    if (!hasLeft(stream)) await options.delivery.failed(error, peer);
    throw error;
  });
  return results.map((result: Delivered | PostsealError) => {
    if (!(result instanceof PostsealError)) return `2.0.0 sealed ${result.event}`;
    options.log.warn('lmtp.recipient.refused', { error: result });
    return lmtpReply(result);
  });
}

/** Ends with `limit.message-size` as soon as too many octets came, so that no more is sealed. */
async function* limited(stream: Readable, max: number): AsyncGenerator<Uint8Array> {
  let octets = 0;
  for await (const chunk of stream) {
    octets += (chunk as Buffer).length;
    if (octets > max) throw new PostsealError('limit.message-size', { octets, max });
    yield chunk as Buffer;
  }
}

/** The library's word for it; one who stops reading early, as we do, leaves another error on the stream. */
function hasLeft({ errored }: Readable): boolean {
  return errored !== null && 'code' in errored && errored.code === 'ECONNECTION';
}

/** Nobody has to look at what a sender did wrong. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof LmtpRefusal ||
    (error instanceof PostsealError && error.code === 'limit.message-size')
  );
}

function settle<T>(
  log: Log,
  work: Promise<T>,
  done: (error: Error | null, value?: T) => void,
): void {
  work.then(
    (value) => done(null, value),
    (error: unknown) => {
      if (!isRefusal(error)) log.error('lmtp.transaction.failed', { error });
      done(lmtpReply(error));
    },
  );
}

/** @throws PostsealError `home.port-taken`, `config.listener`. */
export async function startLmtpServer(options: LmtpServerOptions): Promise<LmtpServer> {
  const transactions = new WeakMap<SMTPServerSession, Recipients>();
  const { log } = options;
  const server = new SMTPServer({
    lmtp: true,
    logger: false,
    disabledCommands: ['AUTH', 'STARTTLS'],
    authOptional: true,
    size: options.messageBytesMax,
    // The number is not announced: the library would refuse by itself what is above it, and mail servers
    // would not even ask, so that the ledger heard of neither. Ours refuses in `onMailFrom`.
    hideSize: true,
    banner: 'Postseal',
    socketTimeout: 300_000,
    closeTimeout: 10_000,
    onMailFrom(address, session, done) {
      transactions.set(session, []);
      settle(log, acceptSize(options, address, session.remoteAddress), (error) => done(error));
    },
    onRcptTo(address, session, done) {
      const recipients = transactions.get(session) ?? [];
      const accepted = acceptRecipient(options, recipients, address, session.remoteAddress);
      settle(log, accepted, (error) => done(error));
    },
    onData(stream, session, done) {
      const recipients = transactions.get(session) ?? [];
      // The library keeps an address once, and counts the replies to a refused message by its own list;
      // a reply is owed to each RCPT that was accepted, to a repeated one too (RFC 2033 §4.2).
      session.envelope.rcptTo = recipients.map(({ address }) => address);
      settle(log, deliver(options, recipients, stream, session), (error, replies) => {
        // What is left of a refused message is read off, or its reply would never be sent.
        stream.resume();
        done(error, replies === undefined ? undefined : [...replies]);
      });
    },
  });
  server.on('error', (error) => log.warn('lmtp.connection.failed', { reason: error.name }));
  await new Promise<void>((resolve, reject) => {
    const failed = (error: Error): void => reject(listenError('lmtp', options, error));
    server.once('error', failed);
    server.listen(options.port, options.host, () => {
      server.off('error', failed);
      resolve();
    });
  });
  const address = server.server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
