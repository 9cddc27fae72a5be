// Writes test/vectors/export/vectors.json, once: `node test/vault/formats/make-export-vectors.ts`. Whole chains
// from a KEK to a message, as docs/formats/export.md describes them; keys and ids are SHA-256 of labels.
import { createCipheriv, createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { concatBytes } from '../../../src/kernel/bytes.ts';
import { uuidFromBytes } from '../../../src/kernel/ids.ts';
import { sealWithKek } from '../../../src/vault/keyfile/keyfile-store.ts';
import { encodeKekBlob, kekContextBytes, kwpBinding } from '../../../src/vault/keys/kek-blob.ts';
import { sealBody } from '../../../src/vault/formats/body.ts';
import { sealCell } from '../../../src/vault/formats/cell.ts';
import { encodeFrame, encodePackHeader } from '../../../src/vault/formats/pack.ts';
import { sealPage } from '../../../src/vault/formats/page.ts';
import type { Purpose } from '../../../src/vault/formats/purposes.ts';
import { wrapKey } from '../../../src/vault/formats/wrap.ts';
import { type ExportVector, toHex, vectorFolder } from './vector-files.ts';

const made = (label: string): Uint8Array =>
  Uint8Array.from(createHash('sha256').update(`export ${label}`).digest());
const id = (label: string): string => uuidFromBytes(made(label).subarray(0, 16));
const nonce = (label: string): Uint8Array => made(`nonce ${label}`).subarray(0, 24);

const organisation = id('organisation');
const custodian = id('custodian');
const generation = 3;
const kekLabel = `postseal kek ${organisation} ${generation}`;

interface Parent {
  readonly label: string;
  readonly version: number;
}

function wrapped(parent: Parent, purpose: Purpose, object: string, label: string): string {
  const context = {
    purpose,
    custodianId: custodian,
    parentKeyId: id(parent.label),
    parentVersion: parent.version,
    objectId: object,
  };
  return toHex(wrapKey(made(parent.label), context, nonce(`wrap ${label}`), made(label)));
}

const ck: Parent = { label: 'custodian key', version: 2 };
const group = (no: number): Parent => ({ label: `group key ${no}`, version: 1 + no });

function custodianKeyRow(suite: 'aes-gcm' | 'aes-kwp'): object {
  const context = kekContextBytes({
    purpose: 'custodian-key',
    organisationId: organisation,
    ownerId: custodian,
    keyId: id(ck.label),
    generation,
    version: ck.version,
  });
  const key = Buffer.from(made(ck.label));
  const kek = Buffer.from(made('kek'));
  const iv = Buffer.from(nonce('kek').subarray(0, 12));
  const kwp = (): Buffer => {
    const cipher = createCipheriv('id-aes256-wrap-pad', kek, Buffer.from('a65959a6', 'hex'));
    const sealed = Buffer.concat([
      cipher.update(Buffer.concat([key, kwpBinding(context)])),
      cipher.final(),
    ]);
    return encodeKekBlob({ suite: 'aes-kwp', sealed });
  };
  const wrap = suite === 'aes-gcm' ? sealWithKek(kek, iv, Buffer.from(context), key) : kwp();
  return { key: id(ck.label), version: ck.version, generation, wrap: toHex(wrap) };
}

const groupRow = (no: number): object => ({
  group: no,
  key: id(group(no).label),
  version: group(no).version,
  wrap: wrapped(ck, 'group-key', id(group(no).label), group(no).label),
});

const packId = id('pack');
const messages = [
  Buffer.from('Subject: hello\r\n\r\nHello, world.\r\n'),
  Buffer.from(
    'Subject: long\r\n\r\n'.padEnd(70_000, 'All work and no play makes a long mail.\r\n'),
  ),
];
const frames = messages.map((message, i) => {
  const body = sealBody(made(`dek ${i}`), id(`content ${i}`), message);
  return { body, ...encodeFrame('body', id(`content ${i}`), body) };
});
const pack = concatBytes([
  encodePackHeader({ kind: 'shared', packId }),
  ...frames.map(({ frame }) => frame),
]);

const bodyRow = (i: number): object => ({
  content: id(`content ${i}`),
  group: i,
  size: messages[i]?.length ?? 0,
  pack: packId,
  offset: i === 0 ? 32 : 32 + (frames[0]?.frame.length ?? 0),
  length: frames[i]?.body.length ?? 0,
  digest: toHex(frames[i]?.digest ?? new Uint8Array(0)),
  wrap: wrapped(group(i), 'dek', id(`content ${i}`), `dek ${i}`),
});

/** docs/formats/metadata.md */
function payload(subject: string, envelope: string): Uint8Array {
  const lines = `Subject: ${subject}\r\n`;
  const head = lines.length + 2;
  const structure = `[1,${head + 3},3,[0,${head},3,1,"text","plain"]]`;
  const sections = [lines, structure, 'b', envelope].map((section) => {
    const bytes = Buffer.from(section);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  });
  return concatBytes([Uint8Array.of(1, 0), ...sections]);
}

const cellPayload = payload('hello', '["x@example.com","y@example.com"]');
const pagePayloads = ['long', 'another'].map((subject) => payload(subject, ''));

function cellRow(): object {
  const context = { purpose: 'cell', custodianId: custodian, objectId: id('record 0') } as const;
  const cell = sealCell(made('cell'), context, nonce('cell'), cellPayload);
  const wrap = wrapped(group(0), 'cell', id('record 0'), 'cell');
  return { record: id('record 0'), group: 0, cell: toHex(cell), wrap };
}

function pageRow(): object {
  const records = pagePayloads.map((each, i) => ({
    recordId: id(`record ${i + 1}`),
    payload: each,
  }));
  const context = { custodianId: custodian, pageId: id('page') };
  const bytes = sealPage(made('page'), context, nonce('page'), records);
  return {
    page: id('page'),
    group: 1,
    bytes: toHex(bytes),
    wrap: wrapped(group(1), 'page', id('page'), 'page'),
  };
}

const record = (i: number): object => ({ record: id(`record ${i}`), content: id(`content ${i}`) });

function vector(
  name: string,
  comment: string,
  suite: 'aes-gcm' | 'aes-kwp',
  parts: readonly number[],
  metadata: boolean,
): ExportVector {
  const line = JSON.stringify({
    format: 'postseal/export/1',
    organisation,
    custodian,
    custodianKeys: [custodianKeyRow(suite)],
    groupKeys: parts.map(groupRow),
    bodies: parts.map(bodyRow),
    records: parts.map(record),
    cells: metadata ? [cellRow()] : [],
    pages: metadata ? [pageRow()] : [],
  });
  const sha256 = createHash('sha256').update(line).digest('hex');
  return {
    name,
    comment,
    expect: 'ok',
    kek: toHex(made('kek')),
    kekLabel,
    export: `${line}\n{"sha256":"${sha256}"}\n`,
    packId,
    pack: toHex(pack),
    messages: parts.map((i) => ({
      content: id(`content ${i}`),
      length: messages[i]?.length ?? 0,
      sha256: createHash('sha256')
        .update(messages[i] ?? '')
        .digest('hex'),
    })),
    metadata: metadata
      ? [cellPayload, ...pagePayloads].map((each, i) => ({
          record: id(`record ${i}`),
          payload: toHex(each),
        }))
      : [],
  };
}

const vectors = [
  vector('one', 'one message, its custodian key under AES-GCM', 'aes-gcm', [0], false),
  vector('kwp', 'the same under AES-KWP', 'aes-kwp', [0], false),
  vector('metadata', 'two messages of two groups, a cell and a page', 'aes-gcm', [0, 1], true),
];
const folder = new URL('export/', vectorFolder);
mkdirSync(folder, { recursive: true });
// `wx`: a vector that landed is never written again.
writeFileSync(new URL('vectors.json', folder), `${JSON.stringify({ vectors }, null, 1)}\n`, {
  flag: 'wx',
});
