// A process that has got at the socket of the key service and at nothing else: it does what its argument says,
// writes no event, and prints what it was answered.
import { createKeyClient } from '../../../src/vault/keys/client.ts';
import type { KeySlot, OpenGrant, WriteSlot } from '../../../src/vault/keys/types.ts';

export type Theft =
  | { readonly do: 'open'; readonly grant: OpenGrant; readonly items: readonly Stolen[] }
  | { readonly do: 'wrap'; readonly slots: readonly KeySlot[] }
  | { readonly do: 'move'; readonly from: Stolen; readonly to: KeySlot }
  | { readonly do: 'write-key'; readonly slot: WriteSlot; readonly owner: KeySlot['custodian'] };

/** A wrap in hex. */
export type Stolen = KeySlot & { readonly wrap: string };

const { socketPath, theft } = JSON.parse(process.argv[2] ?? '{}') as {
  socketPath: string;
  theft: Theft;
};
const client = createKeyClient({ socketPath });
const bytesOf = ({ wrap, ...slot }: Stolen) => ({ ...slot, wrap: Buffer.from(wrap, 'hex') });
const thefts: { readonly [K in Theft['do']]: (of: Extract<Theft, { do: K }>) => Promise<number> } =
  {
    open: async ({ grant, items }) => (await client.open(grant, items.map(bytesOf))).length,
    wrap: async ({ slots }) =>
      (await client.wrap(slots.map((slot) => ({ ...slot, key: Buffer.alloc(32, 7) })))).length,
    move: async ({ from, to }) => (await client.rewrap([{ from: bytesOf(from), to }])).length,
    'write-key': async ({ slot, owner }) => (await client.writeKey(slot, owner)).key.length,
  };
try {
  const run = thefts[theft.do] as (of: Theft) => Promise<number>;
  process.stdout.write(JSON.stringify({ got: await run(theft) }));
} catch (error) {
  const { code, fields } = error as { code?: string; fields?: object };
  process.stdout.write(JSON.stringify({ code, fields }));
} finally {
  await client.close();
}
