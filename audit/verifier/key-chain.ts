// From a key-encryption key in a token down to the key of one body, cell or page
// (docs/formats/key-hierarchy.md, wrap.md, kek-wrap.md). Keys are zeroed as soon as the next one is open.
import { hkdfSync } from 'node:crypto';
import type { CustodianKeyWrap, Export, GroupKeyWrap } from './export-file.ts';
import { digest } from './hashes.ts';
import { Refused } from './refused.ts';
import type { Unwrap, UnwrapRequest } from './unwrap-command.ts';
import { nonceBytes, openXchacha } from './xchacha.ts';

/** docs/formats/wrap.md "Purposes", those that lead to a message. */
export const purposes = {
  custodianKey: 1,
  groupKey: 2,
  dek: 3,
  cell: 4,
  page: 5,
  part: 12,
} as const;

export const keyBytes = 32;
const wrapBytes = 78;
const wrapLabel = Buffer.from('postseal/wrap/1', 'ascii');
const kekLabel = Buffer.from('postseal/kek-wrap/1', 'ascii');

export const idBytes = (uuid: string): Buffer => Buffer.from(uuid.replaceAll('-', ''), 'hex');

export function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

interface Parent {
  readonly id: string;
  readonly version: number;
  readonly key: Buffer;
}

/** What a wrap below the custodian key is bound to. */
interface Wrapped {
  readonly wrap: Buffer;
  readonly purpose: number;
  readonly custodian: string;
  readonly object: string;
}

/** Version of the parent key that a wrap needs. @throws Refused `format`. */
function parentVersion(wrap: Buffer): number {
  if (wrap.length !== wrapBytes) throw new Refused('wrap', 'format', 'length');
  if (wrap[0] !== 1) throw new Refused('wrap', 'format', 'version');
  if (wrap[1] !== 1) throw new Refused('wrap', 'format', 'suite');
  return wrap.readUInt32BE(2);
}

function openWrap(parent: Parent, { wrap, purpose, custodian, object }: Wrapped): Buffer {
  if (parentVersion(wrap) !== parent.version) {
    throw new Refused('wrap', 'identity', 'another version of the parent key');
  }
  const owner = Buffer.concat([Buffer.of(purpose), idBytes(custodian)]);
  const info = Buffer.concat([wrapLabel, owner, u32(parent.version)]);
  const wrapping = Buffer.from(hkdfSync('sha256', parent.key, Buffer.alloc(0), info, keyBytes));
  const aad = Buffer.concat([
    wrapLabel,
    wrap.subarray(0, 6),
    owner,
    idBytes(parent.id),
    idBytes(object),
  ]);
  const sealedAt = 6 + nonceBytes;
  const key = openXchacha(wrapping, wrap.subarray(6, sealedAt), aad, wrap.subarray(sealedAt));
  wrapping.fill(0);
  if (key === undefined) throw new Refused('wrap', 'tag', `wrapped key of purpose ${purpose}`);
  return key;
}

interface Suite {
  readonly length: number;
  /** What the token is asked for, the name of the key apart. */
  readonly ask: (wrap: Buffer, bound: Buffer) => Omit<UnwrapRequest, 'format' | keyof KekName>;
  /** The key in the token's answer. */
  readonly take: (answer: Buffer, bound: Buffer) => Buffer | undefined;
}

interface KekName {
  readonly kekLabel: string;
  readonly kekId: string;
}

/** Suites of docs/formats/kek-wrap.md by their byte. */
const kekSuites: Readonly<Record<number, Suite>> = {
  1: {
    length: 62,
    ask: (wrap, bound) => ({
      mechanism: 'CKM_AES_GCM',
      iv: wrap.subarray(2, 14).toString('hex'),
      aad: bound.toString('hex'),
      tagBits: 128,
      data: wrap.subarray(14).toString('hex'),
    }),
    take: (answer) => (answer.length === keyBytes ? answer : undefined),
  },
  3: {
    length: 74,
    ask: (wrap) => ({
      mechanism: 'CKM_AES_KEY_WRAP_KWP',
      data: wrap.subarray(2).toString('hex'),
    }),
    take: (answer, bound) =>
      answer.length === 2 * keyBytes && answer.subarray(keyBytes).equals(digest(bound))
        ? answer.subarray(0, keyBytes)
        : undefined,
  },
};

function openCustodianKey(from: Export, row: CustodianKeyWrap, unwrap: Unwrap): Parent {
  const { wrap } = row;
  if (wrap.length < 2 || wrap[0] !== 1) throw new Refused('kek-wrap', 'format', 'version');
  const suite = kekSuites[wrap[1] ?? 0];
  if (suite === undefined) throw new Refused('kek-wrap', 'format', 'suite');
  if (wrap.length !== suite.length) throw new Refused('kek-wrap', 'format', 'length');
  const bound = Buffer.concat([
    kekLabel,
    wrap.subarray(0, 2),
    Buffer.of(purposes.custodianKey),
    idBytes(from.organisation),
    idBytes(from.custodian),
    idBytes(row.key),
    u32(row.generation),
    u32(row.version),
  ]);
  const name = `postseal kek ${from.organisation} ${row.generation}`;
  const kekId = digest(Buffer.from(name, 'ascii')).subarray(0, 16).toString('hex');
  const answer = unwrap({
    format: 'postseal/unwrap/1',
    kekLabel: name,
    kekId,
    ...suite.ask(wrap, bound),
  });
  const key = suite.take(answer, bound);
  if (key === undefined)
    throw new Refused('kek-wrap', 'tag', 'not the custodian key it stands for');
  return { id: row.key, version: row.version, key };
}

/** The custodian key of a version, by the newest generation that the export has. */
function custodianKey(from: Export, version: number, unwrap: Unwrap): Parent {
  const rows = from.custodianKeys.filter((row) => row.version === version);
  const [newest] = rows.toSorted((a, b) => b.generation - a.generation);
  if (newest === undefined) {
    throw new Refused('export', 'identity', `no custodian key of version ${version}`);
  }
  return openCustodianKey(from, newest, unwrap);
}

function groupKey(from: Export, row: GroupKeyWrap, unwrap: Unwrap): Parent {
  const parent = custodianKey(from, parentVersion(row.wrap), unwrap);
  const { custodian } = from;
  const wrapped = { wrap: row.wrap, purpose: purposes.groupKey, custodian, object: row.key };
  try {
    return { id: row.key, version: row.version, key: openWrap(parent, wrapped) };
  } finally {
    parent.key.fill(0);
  }
}

/**
 * The key that `wrap` of `group` holds. @throws Refused for a wrap that is damaged or of another object,
 * CannotRun when the unwrapping command fails.
 */
export function openLeafKey(
  from: Export,
  leaf: {
    readonly group: number;
    readonly wrap: Buffer;
    readonly purpose: number;
    readonly object: string;
  },
  unwrap: Unwrap,
): Buffer {
  const version = parentVersion(leaf.wrap);
  const row = from.groupKeys.find((each) => each.group === leaf.group && each.version === version);
  if (row === undefined) {
    throw new Refused('export', 'identity', `no key ${version} of group ${leaf.group}`);
  }
  const parent = groupKey(from, row, unwrap);
  const { wrap, purpose, object } = leaf;
  try {
    return openWrap(parent, { wrap, purpose, object, custodian: from.custodian });
  } finally {
    parent.key.fill(0);
  }
}
