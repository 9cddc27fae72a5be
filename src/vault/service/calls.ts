// Decodes the calls of a frame into what they want, before any key is touched.
// Layouts: src/vault/keys/key-protocol.ts and its other end, src/vault/keys/client.ts.
import { InvariantViolation } from '../../kernel/errors.ts';
import type { CustodianId, EventId, SessionId } from '../../kernel/ids.ts';
import { wrapBytes } from '../formats/wrap.ts';
import {
  ByteReader,
  itemsPerCallMax,
  keyBytes,
  operations,
  type Call,
  type OperationCode,
} from '../keys/key-protocol.ts';
import type { GenerationStep } from '../keys/generation-steps.ts';
import type { KeySlot, OpenGrant, WriteSlot } from '../keys/types.ts';

/** They are all named in the leaf of what they open. */
const eventsPerGrantMax = 64;

export type Request =
  | { readonly kind: 'ensureCustodian'; readonly custodian: CustodianId }
  | { readonly kind: 'wrap'; readonly items: readonly { slot: KeySlot; key: Buffer }[] }
  | {
      readonly kind: 'rewrap';
      readonly items: readonly { from: KeySlot; wrap: Buffer; to: KeySlot }[];
    }
  | {
      readonly kind: 'open';
      readonly grant: OpenGrant;
      readonly items: readonly { slot: KeySlot; wrap: Buffer }[];
    }
  | {
      readonly kind: 'writeKey';
      readonly slot: WriteSlot;
      readonly owner: CustodianId | 'organisation';
    }
  | { readonly kind: 'status' }
  | { readonly kind: 'inventory' }
  | { readonly kind: 'generation'; readonly step: GenerationStep };

const decoders: Readonly<Record<OperationCode, (reader: ByteReader) => Request>> = {
  [operations.ensureCustodian]: (reader) => ({
    kind: 'ensureCustodian',
    custodian: reader.uuid() as CustodianId,
  }),
  [operations.wrap]: (reader) => ({
    kind: 'wrap',
    items: list(reader, () => ({ slot: reader.slot(), key: reader.bytes(keyBytes) })),
  }),
  [operations.rewrap]: (reader) => ({
    kind: 'rewrap',
    items: list(reader, () => ({
      from: reader.slot(),
      wrap: reader.bytes(wrapBytes),
      to: reader.slot(),
    })),
  }),
  [operations.open]: (reader) => {
    const session = reader.uuid() as SessionId;
    const purpose = reader.grantPurpose();
    const events = list(reader, () => reader.uuid() as EventId, eventsPerGrantMax);
    const items = list(reader, () => ({ slot: reader.slot(), wrap: reader.wrap() }));
    return { kind: 'open', grant: { session, purpose, events }, items };
  },
  [operations.writeKey]: (reader) => ({ kind: 'writeKey', ...reader.writeSlot() }),
  [operations.status]: () => ({ kind: 'status' }),
  [operations.inventory]: () => ({ kind: 'inventory' }),
  [operations.generation]: (reader) => ({
    kind: 'generation',
    step: reader.json() as GenerationStep,
  }),
};

/** Throws `InvariantViolation` for anything that a client of this version does not send. */
export function decodeRequest(call: Call): Request {
  const decode = decoders[call.code as OperationCode] as
    ((reader: ByteReader) => Request) | undefined;
  if (decode === undefined) throw new InvariantViolation('an operation that does not exist');
  const reader = new ByteReader(call.payload);
  const request = decode(reader);
  if (!reader.done) throw new InvariantViolation('a call with bytes left over');
  return request;
}

function list<T>(reader: ByteReader, read: () => T, most = itemsPerCallMax): T[] {
  const count = reader.u32();
  if (count > most) throw new InvariantViolation('a call with too many items');
  return Array.from({ length: count }, read);
}
