import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { EventId, KeyId, OrganisationId, PersonId, SessionId } from '../../src/kernel/ids.ts';
import { uuidV4 } from '../../src/kernel/ids.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import {
  canonicalBytes,
  canonicalJson,
  parseCanonical,
} from '../../src/ledger/event/canonical-json.ts';
import type { JsonValue } from '../../src/ledger/event/canonical-json.ts';
import type { EventDraft } from '../../src/ledger/event/draft.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import { createEventSealer } from '../../src/ledger/event/event-sealer.ts';
import { actorPseudonym } from '../../src/ledger/event/pseudonym.ts';
import { eventNames, eventRegistry, isEventName } from '../../src/ledger/event/registry.ts';
import { openSide, sideCommitment } from '../../src/ledger/event/side-record.ts';
import { eventsReference } from '../../src/ledger/event/events-reference.ts';
import { chainHash, chainStart, leafHash } from '../../src/ledger/tree/hashes.ts';
import { nodeSideCipher } from './side-cipher.ts';

interface LeafVectors {
  readonly canonical: readonly { readonly value: JsonValue; readonly text: string }[];
  readonly refused: readonly { readonly hex: string; readonly why: string }[];
  readonly pseudonym: { readonly key: string; readonly p: string };
  readonly commitment: {
    readonly random: string;
    readonly value: JsonValue;
    readonly commit: string;
  };
  readonly leaf: { readonly body: string; readonly leafHash: string; readonly chain0: string };
}
const vectors = JSON.parse(
  readFileSync(new URL('../vectors/ledger/leaf.json', import.meta.url), 'utf8'),
) as LeafVectors;

const organisation = uuidV4(new Uint8Array(16).fill(7)) as OrganisationId;
const person = uuidV4(new Uint8Array(16).fill(9)) as PersonId;
const draft: EventDraft = {
  op: 'mail.received',
  outcome: 'success',
  actor: systemActor,
  objects: [{ t: 'rec', id: person, sz: 12 }],
};

function sealerAt(
  times: readonly number[],
  random: (n: number) => Uint8Array = (n) => randomBytes(n),
) {
  let i = 0;
  return createEventSealer({
    node: 'n1',
    boot: uuidV4(new Uint8Array(16).fill(1)),
    organisation,
    component: 'test',
    clock: { now: () => (times[Math.min(i++, times.length - 1)] ?? 0) as UnixMs },
    random,
    side: {
      cipher: nodeSideCipher,
      keyring: {
        keyFor: (subject) =>
          subject === person
            ? { keyId: person as string as KeyId, key: Buffer.alloc(32, 3) }
            : undefined,
        load: () => Promise.resolve(),
      },
    },
  });
}
const leaf = (body: Buffer) => JSON.parse(body.toString('utf8')) as Record<string, JsonValue>;

describe('canonicalJson', () => {
  test('gives the texts of the vectors', () => {
    for (const { value, text } of vectors.canonical) expect(canonicalJson(value)).toBe(text);
  });

  test('parseCanonical takes what it wrote and nothing that differs by a byte of form', () => {
    for (const { hex, why } of vectors.refused) {
      expect({ why, value: parseCanonical(Buffer.from(hex, 'hex')) }).toEqual({
        why,
        value: undefined,
      });
    }
    const value = fc.letrec<{ v: JsonValue }>((tie) => ({
      v: fc.oneof(
        { depthSize: 'small', maxDepth: 6 },
        fc.constant(null),
        fc.boolean(),
        fc.maxSafeInteger(),
        fc.string({ unit: 'binary' }),
        fc.array(tie('v'), { maxLength: 4 }),
        fc.dictionary(fc.string({ unit: 'binary' }), tie('v'), { maxKeys: 4 }),
      ),
    })).v;
    fc.assert(
      fc.property(value, (v) => {
        const bytes = canonicalBytes(v);
        const back = parseCanonical(bytes);
        expect(back === undefined ? undefined : canonicalJson(back)).toBe(bytes.toString('utf8'));
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test('refuses fractions, unsafe integers, lone surrogates and deep nesting', () => {
    for (const bad of [0.5, 2 ** 53, -(2 ** 53), Number.NaN, Infinity, '\ud800', { '\udc00': 1 }]) {
      expect(() => canonicalJson(bad as JsonValue)).toThrow();
    }
    let deep: JsonValue = 1;
    for (let i = 0; i < 17; i += 1) deep = [deep];
    expect(() => canonicalJson(deep)).toThrow();
  });
});

describe('createEventSealer', () => {
  test('writes the leaf of the vector, byte for byte', () => {
    const sealer = sealerAt([1_795_000_000_123], (n) => new Uint8Array(n).fill(0xab));
    const sealed = sealer.seal({
      op: 'read.granted',
      outcome: 'success',
      actor: {
        role: 'owner',
        p: actorPseudonym(Buffer.alloc(32, 5)),
        auth: 'password',
        mfa: false,
        session: uuidV4(new Uint8Array(16).fill(2)) as SessionId,
      },
      objects: [{ t: 'mbx', id: uuidV4(new Uint8Array(16).fill(4)), n: 3 }],
      why: { policy: 'owner' },
      fields: { uids: '1:3', uv: 17 },
      personal: [{ slot: 'terms', subject: person, value: 'grüße 你好' }],
    });
    expect(sealed.body.toString('utf8')).toBe(vectors.leaf.body);
    expect(parseCanonical(sealed.body)).toBeDefined();
  });

  test('times rise by at least a microsecond, also when the clock stands or goes back', () => {
    const sealer = sealerAt([1000, 1000, 900, 1001]);
    const at = [0, 1, 2, 3].map(() => leaf(sealer.seal(draft).body)['ts']);
    expect(at).toEqual([
      '1970-01-01T00:00:01.000000Z',
      '1970-01-01T00:00:01.000001Z',
      '1970-01-01T00:00:01.000002Z',
      '1970-01-01T00:00:01.001000Z',
    ]);
  });

  test('numbers have no gap: what did not commit is voided, and voids that fail are repeated', () => {
    const sealer = sealerAt([1000]);
    const [a, b, c, d] = [draft, draft, draft, draft].map((one) => sealer.seal(one).q);
    expect([a, b, c, d]).toEqual([1, 2, 3, 4]);
    for (const q of [2, 3, 4, 3]) sealer.void(q);
    const [first] = sealer.takeVoids();
    expect(leaf(first!.body)).toMatchObject({ op: 'audit.void', f: { q: [[2, 4]] } });
    sealer.void(first!.q);
    const [second] = sealer.takeVoids();
    expect(leaf(second!.body)).toMatchObject({ f: { q: [[2, 5]] }, prod: { q: 6 } });
    expect(sealer.takeVoids()).toEqual([]);
  });

  test('uses no number for an event that it refuses', () => {
    const sealer = sealerAt([1000]);
    expect(() => sealer.seal({ ...draft, fields: { big: 'x'.repeat(20_000) } })).toThrow(
      expect.objectContaining({ code: 'limit.reached' }),
    );
    const stranger = organisation as string as PersonId;
    expect(() =>
      sealer.seal({ ...draft, personal: [{ slot: 'ip', subject: stranger, value: '::1' }] }),
    ).toThrow(expect.objectContaining({ code: 'key.unavailable' }));
    expect(sealer.seal(draft).q).toBe(1);
  });

  test('keeps personal values out of the leaf; the side record opens against the commitment only', () => {
    const sealer = sealerAt([1000]);
    const sealed = sealer.seal({
      ...draft,
      personal: [{ slot: 'address', subject: person, value: 'alice@example.com' }],
    });
    expect(sealed.body.includes('alice')).toBe(false);
    const [row] = sealed.side;
    const pii = leaf(sealed.body)['pii'] as { slot: string; commit: string }[];
    const key = Buffer.alloc(32, 3);
    expect(openSide(row!, pii[0]!.commit, key, nodeSideCipher)).toBe('alice@example.com');
    expect(() => openSide(row!, 'ab'.repeat(32), key, nodeSideCipher)).toThrow(
      expect.objectContaining({ code: 'integrity.ledger' }),
    );
    const other = { ...row!, event: person as string as EventId };
    expect(() => openSide(other, pii[0]!.commit, key, nodeSideCipher)).toThrow();
  });
});

describe('pseudonym and commitment', () => {
  test('are those of the vectors', () => {
    const key = Buffer.from(vectors.pseudonym.key, 'hex');
    expect(actorPseudonym(key)).toBe(vectors.pseudonym.p);
    expect(actorPseudonym(key)).toBe(createHmac('sha256', key).update('actor').digest('hex'));
    const { random, value, commit } = vectors.commitment;
    expect(sideCommitment(Buffer.from(random, 'hex'), value)).toBe(commit);
  });
});

describe('eventRegistry', () => {
  test('holds names of one form, each with a sentence', () => {
    for (const name of eventNames) {
      expect(name).toMatch(/^[a-z]+\.[a-z-]+$/);
      expect(eventRegistry[name].text).toMatch(/^[A-Z].*\.$/);
    }
    expect(isEventName('toString')).toBe(false);
  });

  test('docs/reference/events.md is what it gives', () => {
    const page = readFileSync(new URL('../../docs/reference/events.md', import.meta.url), 'utf8');
    expect(page).toBe(eventsReference());
  });

  test('docs/formats/leaf.md shows the leaf of the vectors', () => {
    const page = readFileSync(new URL('../../docs/formats/leaf.md', import.meta.url), 'utf8');
    for (const text of [vectors.leaf.body, vectors.leaf.leafHash, vectors.leaf.chain0]) {
      expect(page).toContain(text);
    }
    const hash = leafHash(Buffer.from(vectors.leaf.body));
    expect(hash.toString('hex')).toBe(vectors.leaf.leafHash);
    expect(chainHash(chainStart, hash).toString('hex')).toBe(vectors.leaf.chain0);
  });
});
