// Writes vectors that are not there yet: `node test/vault/formats/make-vectors.ts`. Formats are final, so
// a vector that exists is never replaced; the script stops if it would come out different.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { concatBytes } from '../../../src/kernel/bytes.ts';
import { uuidFromBytes, uuidToBytes } from '../../../src/kernel/ids.ts';
import { sealCell } from '../../../src/vault/formats/cell.ts';
import { sealPage, sealPageBlock } from '../../../src/vault/formats/page.ts';
import { purposes } from '../../../src/vault/formats/purposes.ts';
import { wrapKey } from '../../../src/vault/formats/wrap.ts';
import { sealXchacha } from '../../../src/vault/xchacha.ts';
import { bodyVectors } from './make-body-vectors.ts';
import { recipeVectors } from './make-recipe-vectors.ts';
import { packVectors } from './make-pack-vectors.ts';
import { toHex, vectorFolder } from './vector-files.ts';
import type { CellVector, Expect, PageVector, WrapVector } from './vector-files.ts';

const made = (label: string): Uint8Array =>
  Uint8Array.from(createHash('sha256').update(label).digest());
const id = (label: string): string => uuidFromBytes(made(label).subarray(0, 16));
const nonce = (label: string): Uint8Array => made(label).subarray(0, 24);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const out = Uint8Array.from(bytes);
  out[at] = (out[at] ?? 0) ^ 1;
  return out;
}

function wrapVectors(): WrapVector[] {
  const context = {
    purpose: 'dek',
    custodianId: id('custodian'),
    parentKeyId: id('group key'),
    parentVersion: 7,
    objectId: id('content'),
  } as const;
  const wrap = wrapKey(made('parent'), context, nonce('wrap nonce'), made('dek'));
  const base = { ...context, parentKey: toHex(made('parent')) };
  const bad = (
    name: string,
    expect: Expect,
    comment: string,
    bytes: Uint8Array,
    change: Partial<WrapVector> = {},
  ): WrapVector => ({ name, comment, expect, ...base, ...change, wrap: toHex(bytes) });
  const all = (Object.keys(purposes) as (keyof typeof purposes)[]).map((purpose): WrapVector => {
    const own = { ...context, purpose, parentVersion: purpose === 'dek' ? 7 : 4_294_967_295 };
    const bytes = wrapKey(made('parent'), own, nonce(`wrap nonce ${purpose}`), made('dek'));
    const key = toHex(made('dek'));
    const comment = `a wrapped ${purpose} key`;
    return purpose === 'dek'
      ? { name: 'dek', comment, expect: 'ok', ...base, key, wrap: toHex(wrap) }
      : { name: purpose, comment, expect: 'ok', ...base, ...own, key, wrap: toHex(bytes) };
  });
  return [
    ...all,
    bad('empty', 'format', 'no bytes', new Uint8Array(0)),
    bad('short', 'format', 'last byte cut off', wrap.subarray(0, 77)),
    bad('long', 'format', 'one byte added', concatBytes([wrap, Uint8Array.of(0)])),
    bad('version', 'format', 'version 0', flipped(wrap, 0)),
    bad('suite', 'format', 'suite 0', flipped(wrap, 1)),
    bad('version-of-parent', 'identity', 'stored parent version 6', flipped(wrap, 5)),
    bad('nonce', 'tag', 'a bit of the nonce', flipped(wrap, 6)),
    bad('ciphertext', 'tag', 'a bit of the ciphertext', flipped(wrap, 30)),
    bad('tag', 'tag', 'a bit of the tag', flipped(wrap, 77)),
    bad('other-parent-key', 'tag', 'other parent key', wrap, { parentKey: toHex(made('other')) }),
    bad('other-purpose', 'tag', 'moved to another purpose', wrap, { purpose: 'cell' }),
    bad('other-custodian', 'tag', 'moved to another custodian', wrap, { custodianId: id('other') }),
    bad('other-parent-id', 'tag', 'moved to another parent', wrap, { parentKeyId: id('other') }),
    bad('other-object', 'tag', 'moved to another object', wrap, { objectId: id('other') }),
    bad('other-version', 'identity', 'parent version 8 asked for', wrap, { parentVersion: 8 }),
  ];
}

function cellVectors(): CellVector[] {
  const context = {
    purpose: 'cell',
    custodianId: id('custodian'),
    objectId: id('record'),
  } as const;
  const key = made('cell key');
  const base = { key: toHex(key), ...context };
  const good = (name: string, comment: string, payload: Uint8Array): CellVector => {
    const cell = sealCell(key, context, nonce(`cell ${name}`), payload);
    return { name, comment, expect: 'ok', ...base, payload: toHex(payload), cell: toHex(cell) };
  };
  const short = sealCell(key, context, nonce('cell short'), text('Subject: hello\r\n'));
  const bad = (
    name: string,
    expect: Expect,
    comment: string,
    bytes: Uint8Array,
    change: Partial<CellVector> = {},
  ): CellVector => ({ name, comment, expect, ...base, ...change, cell: toHex(bytes) });
  // A cell whose plaintext breaks a rule, sealed by a key holder who does not follow the page.
  const forged = (plaintext: Uint8Array): Uint8Array => {
    const head = Uint8Array.of(1, 1);
    const ids = [uuidToBytes(context.custodianId), uuidToBytes(context.objectId)];
    const aad = concatBytes([text('postseal/cell/1'), head, Uint8Array.of(4), ...ids]);
    const at = nonce('cell forged');
    return concatBytes([head, at, sealXchacha(key, at, aad, plaintext)]);
  };
  const padded = (length: number, size: number, last = 0): Uint8Array => {
    const out = new Uint8Array(size);
    new DataView(out.buffer).setUint32(0, length);
    if (last > 0) out[size - 1] = last;
    return out;
  };
  return [
    good('short', 'a short payload', text('Subject: hello\r\n')),
    good('empty', 'no payload', new Uint8Array(0)),
    good('full', 'a payload that fills its step', new Uint8Array(252).fill(0x61)),
    good('over', 'one byte more than a step', new Uint8Array(253).fill(0x61)),
    bad('nothing', 'format', 'no bytes', new Uint8Array(0)),
    bad('cut', 'format', 'last byte cut off', short.subarray(0, short.length - 1)),
    bad('long', 'format', 'one byte added', concatBytes([short, Uint8Array.of(0)])),
    bad('version', 'format', 'version 0', flipped(short, 0)),
    bad('suite', 'format', 'suite 0', flipped(short, 1)),
    bad('nonce', 'tag', 'a bit of the nonce', flipped(short, 2)),
    bad('ciphertext', 'tag', 'a bit of the ciphertext', flipped(short, 26)),
    bad('tag', 'tag', 'a bit of the tag', flipped(short, short.length - 1)),
    bad('other-key', 'tag', 'other key', short, { key: toHex(made('other')) }),
    bad('other-purpose', 'tag', 'moved to another purpose', short, { purpose: 'names' }),
    bad('other-custodian', 'tag', 'moved to another custodian', short, { custodianId: id('x') }),
    bad('other-object', 'tag', 'moved to another record', short, { objectId: id('other') }),
    bad('padding', 'format', 'padding that is not zero', forged(padded(3, 256, 1))),
    bad('padding-long', 'format', 'one step of padding too much', forged(padded(3, 512))),
    bad('length', 'format', 'payload longer than the cell', forged(padded(253, 256))),
  ];
}

function pageVectors(): PageVector[] {
  const context = { custodianId: id('custodian'), pageId: id('page') };
  const key = made('page key');
  const base = { key: toHex(key), ...context };
  const recordIds = [id('record one'), id('record two')];
  const records = recordIds.map((recordId, i) => ({
    recordId,
    payload: text(`Subject: hello ${i}\r\nFrom: a@example.com\r\n`.repeat(i + 1)),
  }));
  const hexed = (list: typeof records): NonNullable<PageVector['records']> =>
    list.map((record) => ({ recordId: record.recordId, payload: toHex(record.payload) }));
  const two = sealPage(key, context, nonce('page two'), records);
  const one = [{ recordId: id('record one'), payload: new Uint8Array(0) }];
  const good = (name: string, comment: string, list: typeof records): PageVector => ({
    name,
    comment,
    expect: 'ok',
    ...base,
    records: hexed(list),
    page: toHex(sealPage(key, context, nonce(`page ${name}`), list)),
  });
  const bad = (
    name: string,
    expect: Expect,
    comment: string,
    bytes: Uint8Array,
    change: Partial<PageVector> = {},
  ): PageVector => ({ name, comment, expect, ...base, ...change, page: toHex(bytes) });
  const table = (...ends: number[]): Uint8Array => {
    const out = new Uint8Array(4 * ends.length);
    ends.forEach((end, i) => new DataView(out.buffer).setUint32(4 * i, end));
    return out;
  };
  const forged = (stored: Uint8Array, plainLength = stored.length): Uint8Array =>
    sealPageBlock(key, context, nonce('page forged'), { recordIds, plainLength, stored });
  const swapped = concatBytes([
    two.subarray(0, 20),
    two.subarray(36, 52),
    two.subarray(20, 36),
    two.subarray(52),
  ]);
  const repeated = concatBytes([two.subarray(0, 36), two.subarray(20, 36), two.subarray(52)]);
  return [
    good('two', 'two records, compressed', records),
    good('one-empty', 'one record without payload, stored raw', one),
    bad('cut', 'format', 'last byte cut off', two.subarray(0, two.length - 1)),
    bad('long', 'format', 'one byte added', concatBytes([two, Uint8Array.of(0)])),
    bad('version', 'format', 'version 0', flipped(two, 0)),
    bad('suite', 'format', 'suite 0', flipped(two, 1)),
    bad('count', 'format', '258 records', flipped(two, 2)),
    bad('page-id', 'identity', 'a bit of the page id', flipped(two, 4)),
    bad('record-id', 'tag', 'a bit of a record id', flipped(two, 20)),
    bad('swapped', 'tag', 'record ids swapped', swapped),
    bad('repeated', 'format', 'a record id twice', repeated),
    bad('ciphertext', 'tag', 'a bit of the ciphertext', flipped(two, 80)),
    bad('other-key', 'tag', 'other key', two, { key: toHex(made('other')) }),
    bad('other-custodian', 'tag', 'moved to another custodian', two, { custodianId: id('x') }),
    bad('other-page', 'identity', 'another page asked for', two, { pageId: id('other') }),
    bad(
      'offsets-fall',
      'format',
      'end offsets fall',
      forged(concatBytes([table(2, 1), text('ab')])),
    ),
    bad('offset-far', 'format', 'an offset behind the end', forged(concatBytes([table(1, 9)]))),
    bad(
      'offset-last',
      'format',
      'bytes behind the last',
      forged(concatBytes([table(1, 1), text('ab')])),
    ),
    bad('no-table', 'format', 'block shorter than its table', forged(table(0))),
    bad('stored-long', 'format', 'stored longer than plain', forged(table(0, 0, 0), 8)),
    bad('not-zstd', 'format', 'shorter than plain and no zstd', forged(table(0, 0), 9)),
  ];
}

function write(path: string, vectors: readonly { readonly name: string }[]): void {
  const url = new URL(path, vectorFolder);
  mkdirSync(new URL('.', url), { recursive: true });
  const old = existsSync(url)
    ? (JSON.parse(readFileSync(url, 'utf8')) as { vectors: { name: string }[] }).vectors
    : [];
  for (const before of old) {
    const now = vectors.find((vector) => vector.name === before.name);
    if (JSON.stringify(now) !== JSON.stringify(before)) {
      throw new Error(`${path}: ${before.name} would change; formats are final`);
    }
  }
  writeFileSync(url, `${JSON.stringify({ vectors }, null, 1)}\n`);
  process.stdout.write(`${path}: ${vectors.length} vectors, ${old.length} before\n`);
}

write('wrap/vectors.json', wrapVectors());
write('cell/cells.json', cellVectors());
write('cell/pages.json', pageVectors());
write('body/vectors.json', bodyVectors());
write('recipe/vectors.json', recipeVectors());
write('pack/vectors.json', packVectors());
