// A node's end of the key service. Calls of one turn of the event loop travel in one frame; when the
// service is away, calls wait and are sent again (all of them may be repeated) until their time is up.
// Other end: src/vault/service/; layouts: key-protocol.ts.
import { PostsealError } from '../../kernel/errors.ts';
import type { CustodianId, KeyId } from '../../kernel/ids.ts';
import { formatFailure } from '../formats/failure.ts';
import { wrapBytes } from '../formats/wrap.ts';
import type { StoredKey } from './key-store.ts';
import type { GenerationAnswers, GenerationStep } from './generation-steps.ts';
import { KeyConnection } from './key-connection.ts';
import type { RemoteKeys } from './key-endpoint.ts';
import {
  ByteReader,
  ByteWriter,
  itemsPerCallMax,
  keyBytes,
  operations,
  slotBytes,
  type OperationCode,
} from './key-protocol.ts';
import type { KeyClient, KeySlot, KeyStatus, OpenGrant, WriteKey, WriteSlot } from './types.ts';

export interface KeyClientOptions {
  readonly socketPath: string;
  /** On another machine, which then goes before the socket. */
  readonly remote?: RemoteKeys | undefined;
  /** Time of one call, waiting for a service that restarts included. */
  readonly timeoutMs?: number;
}

const timeoutMsDefault = 10_000;

/** Connects when the first call is made. */
export function createKeyClient(options: KeyClientOptions): KeyClient {
  const { socketPath, remote, timeoutMs = timeoutMsDefault } = options;
  const endpoint =
    remote === undefined
      ? ({ kind: 'socket', path: socketPath } as const)
      : ({ kind: 'tls', ...remote } as const);
  const connection = new KeyConnection(endpoint, timeoutMs);
  const call = (code: OperationCode, payload: ByteWriter): Promise<Buffer> =>
    connection.call(code, payload.bytes);

  return {
    ensureCustodian: async (custodian) => {
      await call(operations.ensureCustodian, new ByteWriter(16).uuid(custodian));
    },
    wrap: (items) =>
      inParts(items, wrapBytes, (part) => {
        const payload = new ByteWriter(4 + part.length * (slotBytes + keyBytes)).u32(part.length);
        for (const item of part) payload.slot(item).raw(checkedKey(item.key));
        return call(operations.wrap, payload);
      }),
    rewrap: (items) =>
      inParts(items, wrapBytes, (part) => {
        const payload = new ByteWriter(4 + part.length * (2 * slotBytes + wrapBytes));
        payload.u32(part.length);
        for (const { from, to } of part) payload.slot(from).raw(checkedWrap(from.wrap)).slot(to);
        return call(operations.rewrap, payload);
      }),
    open: (grant, items) =>
      inParts(items, keyBytes, (part) => call(operations.open, openPayload(grant, part))),
    writeKey: (slot, custodian) => writeKey(call, slot, custodian),
    status: async () => {
      const answer = await call(operations.status, new ByteWriter(0));
      return JSON.parse(answer.toString('utf8')) as KeyStatus;
    },
    inventory: async () => {
      const answer = await call(operations.inventory, new ByteWriter(0));
      return JSON.parse(answer.toString('utf8')) as readonly StoredKey[];
    },
    generation: async <S extends GenerationStep>(step: S) => {
      const text = Buffer.from(JSON.stringify(step));
      const answer = await call(operations.generation, new ByteWriter(text.length).raw(text));
      return JSON.parse(answer.toString('utf8')) as GenerationAnswers[S['do']];
    },
    close: () => connection.close(),
  };
}

function openPayload(
  grant: OpenGrant,
  items: readonly (KeySlot & { readonly wrap: Uint8Array })[],
): ByteWriter {
  let size = 16 + 1 + 4 + grant.events.length * 16 + 4;
  for (const { wrap } of items) size += slotBytes + 1 + wrap.length;
  const payload = new ByteWriter(size).uuid(grant.session).grantPurpose(grant.purpose);
  payload.u32(grant.events.length);
  for (const event of grant.events) payload.uuid(event);
  payload.u32(items.length);
  for (const item of items) {
    payload.slot(item).u8(item.wrap.length === 0 ? 0 : 1);
    if (item.wrap.length > 0) payload.raw(checkedWrap(item.wrap));
  }
  return payload;
}

async function writeKey(
  call: (code: OperationCode, payload: ByteWriter) => Promise<Buffer>,
  slot: WriteSlot,
  custodian: CustodianId | 'organisation',
): Promise<WriteKey> {
  const answer = await call(operations.writeKey, new ByteWriter(17).writeSlot(slot, custodian));
  const reader = new ByteReader(answer);
  const id = reader.uuid() as KeyId;
  const version = reader.u32();
  const key = Buffer.from(reader.bytes(keyBytes));
  answer.fill(0);
  return { id, version, key };
}

/** Cuts a long list into calls and the answers into pieces of `bytes`, each a Buffer of its own. */
async function inParts<T>(
  items: readonly T[],
  bytes: number,
  call: (part: readonly T[]) => Promise<Buffer>,
): Promise<Buffer[]> {
  const calls: Promise<Buffer>[] = [];
  for (let i = 0; i < items.length; i += itemsPerCallMax) {
    calls.push(call(items.slice(i, i + itemsPerCallMax)));
  }
  const out: Buffer[] = [];
  for (const answer of await settled(calls)) {
    for (let at = 0; at < answer.length; at += bytes) {
      out.push(Buffer.from(answer.subarray(at, at + bytes)));
    }
    answer.fill(0);
  }
  if (out.length !== items.length) throw new PostsealError('key.unavailable', { reason: 'answer' });
  return out;
}

/** All answers, or the first error; keys that came with the others are zeroed then. */
async function settled(calls: readonly Promise<Buffer>[]): Promise<Buffer[]> {
  const results = await Promise.allSettled(calls);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed === undefined) {
    return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  }
  for (const result of results) if (result.status === 'fulfilled') result.value.fill(0);
  throw failed.reason instanceof Error ? failed.reason : new PostsealError('internal');
}

function checkedKey(key: Uint8Array): Uint8Array {
  if (key.length !== keyBytes) throw new RangeError('a key has 32 bytes');
  return key;
}

/** Anything else than 78 bytes is no wrap, which the service would say just as well. */
function checkedWrap(wrap: Uint8Array): Uint8Array {
  if (wrap.length !== wrapBytes) throw formatFailure('wrap', 'format', 'length');
  return wrap;
}
