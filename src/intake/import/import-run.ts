// The server's side of an import: takes framed items, stores each with its event, and answers one
// line an item. Running the same import again stores nothing twice.
import { createHmac } from 'node:crypto';
import { largeBytes } from '../../archive/take-original.ts';
import type { Archive, PreparedRecord } from '../../archive/types.ts';
import type { Committer } from '../../archive/committer/types.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { MailboxId } from '../../kernel/ids.ts';
import type { Clock, UnixMs } from '../../kernel/time.ts';
import type { Actor } from '../../ledger/event/draft.ts';
import type { Account, AccountView, MailboxService } from '../../mailbox/types.ts';
import type { Database } from '../../platform/postgres/database.ts';
import type { KeyClient } from '../../vault/keys/types.ts';
import { importedPart, wasImported } from './import-item.store.ts';
import { type IncomingItem, LargeBody, readFrames } from './read-frames.ts';

export interface ImportDeps {
  readonly database: Pick<Database, 'pool'>;
  readonly archive: Pick<Archive, 'prepare'>;
  readonly committer: Committer;
  readonly mailboxes: MailboxService;
  readonly keys: Pick<KeyClient, 'writeKey'>;
  readonly clock: Clock;
  readonly messageBytesMax: number;
}

export type ImportResult =
  | {
      readonly key: string;
      readonly status: 'stored';
      readonly uid: number;
      readonly event: string;
    }
  | { readonly key: string; readonly status: 'present' }
  | {
      readonly key: string;
      readonly status: 'failed';
      readonly code: string;
      readonly text: string;
    };

export interface ImportSummary {
  readonly done: { readonly stored: number; readonly present: number; readonly failed: number };
}

/** Items that are stored at the same time: enough to fill the committer's batches. */
const concurrency = 16;
/** Octets up to which an item is held, so at most 17 MiB at a time; a larger one is stored as it comes. */
const wholeMax = largeBytes;

interface Run {
  readonly deps: ImportDeps;
  readonly account: Account;
  readonly view: AccountView;
  readonly actor: Actor;
  readonly tagKey: Buffer;
  readonly folders: Map<string, Promise<MailboxId>>;
  /** How often each message of a mailbox came so far; about 160 octets a message, measured with Node 26. */
  readonly seen: Map<string, number>;
}

async function folderId(run: Run, name: string): Promise<MailboxId> {
  if (name.toUpperCase() === 'INBOX') return run.account.inbox;
  const found = (await run.view.find(name)) ?? (await run.view.create(name, run.actor));
  const folder = found.id === undefined ? await run.view.create(name, run.actor) : found;
  if (folder.id === undefined) throw new PostsealError('mailbox.unknown');
  return folder.id;
}

/** Items are prepared at the same time and handed to the committer one after the other. */
interface Turn {
  /** Every earlier item has been handed over, or never will be. */
  readonly come: Promise<unknown>;
  /** May be called again. */
  readonly pass: () => void;
}

/** Which message of its mailbox it is, and the record made of it. */
interface Prepared {
  readonly tag: Buffer;
  readonly occurrence: number;
  /** Undefined if the message was imported before. */
  readonly record: PreparedRecord | undefined;
}

/** A message in memory is looked up before anything is made of it; of a large one the tag comes last. */
async function prepare(
  run: Run,
  mailbox: MailboxId,
  bytes: IncomingItem['bytes'],
): Promise<Prepared> {
  const { deps, account } = run;
  const { custodian } = account;
  const hmac = createHmac('sha256', run.tagKey);
  const make = (from: Buffer | AsyncIterable<Buffer>): Promise<PreparedRecord> =>
    deps.archive.prepare({ custodian, source: 'import', bytes: from });
  const known = async (): Promise<Omit<Prepared, 'record'> & { present: boolean }> => {
    const tag = hmac.digest();
    const seenKey = `${mailbox}:${tag.toString('base64')}`;
    const occurrence = run.seen.get(seenKey) ?? 0;
    run.seen.set(seenKey, occurrence + 1);
    const item = { custodian, mailbox, tag, occurrence };
    return { tag, occurrence, present: await wasImported(deps.database.pool, item) };
  };
  if (!(bytes instanceof LargeBody)) {
    hmac.update(bytes);
    const { present, ...item } = await known();
    return { ...item, record: present ? undefined : await make(bytes) };
  }
  const hashed = async function* (): AsyncGenerator<Buffer> {
    for await (const piece of bytes) {
      hmac.update(piece);
      yield piece;
    }
  };
  const record = await make(hashed());
  try {
    const { present, ...item } = await known();
    if (present) await record.discard();
    return { ...item, record: present ? undefined : record };
  } catch (error) {
    await record.discard();
    throw error;
  }
}

async function storeItem(run: Run, item: IncomingItem, turn: Turn): Promise<ImportResult> {
  const { deps, account, actor } = run;
  const { head, bytes } = item;
  if (head.size > deps.messageBytesMax)
    throw new PostsealError('limit.message-size', { octets: head.size });
  const pending = run.folders.get(head.folder) ?? folderId(run, head.folder);
  run.folders.set(head.folder, pending);
  const mailbox = await pending;
  const { custodian } = account;
  const { tag, occurrence, record } = await prepare(run, mailbox, bytes);
  if (record === undefined) return { key: head.key, status: 'present' };
  const internalDate = (head.internalDate ?? deps.clock.now()) as UnixMs;
  try {
    const flags = head.flags.length === 0 ? 0 : await run.view.flagBits(mailbox, head.flags, actor);
    await turn.come;
    const committing = deps.committer.commit({
      events: [
        {
          op: 'mail.imported',
          outcome: 'success',
          actor,
          objects: [
            { t: 'rec', id: record.recordId, sz: record.size },
            { t: 'mbx', id: mailbox },
            { t: 'acc', id: account.id },
            { t: 'cus', id: custodian },
          ],
          fields: { original: record.commitment },
        },
      ],
      parts: [
        record.part(),
        deps.mailboxes.appendPart({ custodian, mailbox, record, flags, internalDate }),
        importedPart({ custodian, mailbox, tag, occurrence, record: record.recordId }),
      ],
    });
    turn.pass();
    const result = await committing;
    const [event] = result.events;
    return { key: head.key, status: 'stored', uid: result.outputs[1].uid, event: event ?? '' };
  } catch (error) {
    await record.discard();
    throw error;
  }
}

async function answerItem(run: Run, item: IncomingItem, turn: Turn): Promise<ImportResult> {
  try {
    return await storeItem(run, item, turn);
  } catch (error) {
    if (!(error instanceof PostsealError)) throw error;
    if (error.code === 'import.present') return { key: item.head.key, status: 'present' };
    return { key: item.head.key, status: 'failed', code: error.code, text: error.message };
  } finally {
    // Whatever became of it: the items behind a large one wait for its end.
    if (item.bytes instanceof LargeBody) item.bytes.letGo();
    await turn.come;
    turn.pass();
  }
}

/**
 * Runs `answer` over the items, some at a time; results come in the order of the items. However it ends,
 * nothing is under way any more afterwards: what is being committed then cannot be called back.
 */
async function* inParallel(
  items: AsyncIterable<IncomingItem>,
  answer: (item: IncomingItem, turn: Turn) => Promise<ImportResult>,
): AsyncGenerator<ImportResult> {
  const waiting: Promise<ImportResult>[] = [];
  let come: Promise<unknown> = Promise.resolve();
  try {
    for await (const item of items) {
      const first = waiting.length < concurrency ? undefined : waiting.shift();
      if (first !== undefined) yield await first;
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const pass = (): void => resolve(undefined);
      const result = answer(item, { come, pass });
      come = promise;
      // A failure is taken up where the result is awaited, in its turn.
      result.catch(() => undefined);
      waiting.push(result);
    }
    for (const result of waiting) yield await result;
  } finally {
    await Promise.allSettled(waiting);
  }
}

/**
 * Imports framed items into `account`. Yields a result an item and at last the summary. The import
 * itself begins and ends with an event; its items have one each.
 */
export async function* runImport(
  deps: ImportDeps,
  input: {
    readonly account: Account;
    readonly actor: Actor;
    readonly stream: AsyncIterable<Uint8Array>;
  },
): AsyncGenerator<ImportResult | ImportSummary> {
  const { account, actor } = input;
  const { session } = actor;
  if (session === undefined) throw new PostsealError('access.signed-out');
  const about = {
    actor,
    objects: [
      { t: 'acc', id: account.id },
      { t: 'cus', id: account.custodian },
    ],
  } as const;
  const started = await deps.committer.record({
    op: 'import.started',
    outcome: 'success',
    ...about,
  });
  const grant = { session, purpose: 'sign-in', events: [started] } as const;
  const counts = { stored: 0, present: 0, failed: 0 };
  let outcome: 'success' | 'failure' = 'failure';
  let view: AccountView | undefined;
  // Whatever ends it from here on – a failed item, a broken stream, a client that left – ends it as a failure.
  try {
    view = await deps.mailboxes.openAccount(account, grant);
    const { key: tagKey } = await deps.keys.writeKey('dedup', 'organisation');
    const folders = new Map<string, Promise<MailboxId>>();
    const run: Run = { deps, account, view, actor, tagKey, folders, seen: new Map() };
    const items = readFrames(input.stream, { sizeMax: deps.messageBytesMax, wholeMax });
    // Counted when it is known and not when it is told: who left is told nothing any more.
    yield* inParallel(items, async (item, turn) => {
      const result = await answerItem(run, item, turn);
      counts[result.status] += 1;
      return result;
    });
    // An import that found nothing has not done what it was run for; its client ends with `import.empty`.
    if (counts.failed === 0 && counts.stored + counts.present > 0) outcome = 'success';
  } finally {
    view?.close();
    const fields = { started, ...counts };
    await deps.committer.record({ op: 'import.ended', outcome, ...about, fields });
  }
  yield { done: counts };
}
