// The pack vectors of make-vectors.ts: closed, unclosed, torn and damaged packs.
import { createHash } from 'node:crypto';
import { concatBytes } from '../../../src/kernel/bytes.ts';
import { uuidFromBytes } from '../../../src/kernel/ids.ts';
import { encodeFooter } from '../../../src/vault/formats/pack-footer.ts';
import { encodeFrame, encodePackHeader } from '../../../src/vault/formats/pack.ts';
import { toHex, type Expect, type PackVector } from './vector-files.ts';

const id = (label: string): string =>
  uuidFromBytes(Uint8Array.from(createHash('sha256').update(label).digest().subarray(0, 16)));
const packId = id('pack');
const header = { kind: 'shared', packId } as const;

const payloads = ['one', 'payload two'].map((payload) => new TextEncoder().encode(payload));
const frames = payloads.map((payload, i) => encodeFrame('body', id(`object ${i}`), payload));
const offsets = [32, 32 + (frames[0]?.frame.length ?? 0)];
const described = payloads.map((payload, i) => ({
  objectId: id(`object ${i}`),
  offset: offsets[i] ?? 0,
  payload: toHex(payload),
  digest: toHex(frames[i]?.digest ?? new Uint8Array(0)),
}));
const open = concatBytes([encodePackHeader(header), ...frames.map((frame) => frame.frame)]);
const entries = described.map((frame, i) => ({
  objectId: frame.objectId,
  offset: frame.offset,
  length: payloads[i]?.length ?? 0,
  digest: frames[i]?.digest ?? new Uint8Array(0),
}));
const closed = concatBytes([open, encodeFooter(header, entries)]);

function changed(bytes: Uint8Array, at: number): Uint8Array {
  const out = Uint8Array.from(bytes);
  out[at] = (out[at] ?? 0) ^ 1;
  return out;
}

function vector(
  name: string,
  expect: Expect,
  comment: string,
  bytes: Uint8Array,
  rest: Partial<PackVector> = {},
): PackVector {
  const whole = { packId, closed: true, frames: described, findings: [] };
  return { name, comment, expect, ...whole, ...rest, pack: toHex(bytes) };
}

export function packVectors(): PackVector[] {
  const second = offsets[1] ?? 0;
  const footerAt = open.length;
  const last = described.slice(1);
  const finding = (kind: string, offset: number): Partial<PackVector> => ({
    findings: [{ kind, offset }],
  });
  const singleHeader = { kind: 'single', packId } as const;
  const single = concatBytes([encodePackHeader(singleHeader), frames[0]?.frame ?? open]);
  const singleClosed = concatBytes([single, encodeFooter(singleHeader, entries.slice(0, 1))]);
  const first = described.slice(0, 1);
  return [
    vector('two', 'ok', 'two frames and a footer', closed),
    vector('unclosed', 'ok', 'two frames, not closed', open, { closed: false }),
    vector('no-frames', 'ok', 'a header alone', open.subarray(0, 32), {
      closed: false,
      frames: [],
    }),
    vector(
      'empty-closed',
      'ok',
      'closed without frames',
      concatBytes([open.subarray(0, 32), encodeFooter(header, [])]),
      { frames: [] },
    ),
    vector('single', 'ok', 'one streamed frame', singleClosed, { frames: first }),
    vector('torn', 'format', 'the second frame torn', open.subarray(0, open.length - 5), {
      closed: false,
      frames: first,
      ...finding('tail', second),
    }),
    vector(
      'unwritten',
      'format',
      'a stream that was never finished',
      concatBytes([encodePackHeader(singleHeader), new Uint8Array(60)]),
      { closed: false, frames: [], ...finding('tail', 32) },
    ),
    vector('header-bit', 'tag', 'a bit of the pack id', changed(closed, 8), finding('header', 0)),
    vector('payload-bit', 'tag', 'a bit of the first payload', changed(closed, 64), {
      frames: last,
      ...finding('frame', 32),
    }),
    vector(
      'payload-bit-unclosed',
      'tag',
      'a bit of the first payload, not closed',
      changed(open, 64),
      { closed: false, frames: last, ...finding('frame', 32) },
    ),
    vector('length-bit', 'tag', 'a bit of the first length', changed(closed, 47), {
      frames: last,
      ...finding('frame', 32),
    }),
    vector(
      'footer-bit',
      'tag',
      'a bit of a footer entry',
      changed(closed, footerAt + 40),
      finding('footer', footerAt),
    ),
    vector(
      'closing-bit',
      'format',
      'a bit of the closing magic',
      changed(closed, closed.length - 1),
      finding('footer', footerAt),
    ),
    vector('swapped', 'tag', 'a frame in the place of the other, same length', swapped(), {
      frames: [],
      findings: [
        { kind: 'frame', offset: 32 },
        { kind: 'frame', offset: 99 },
      ],
    }),
  ];
}

/** Two frames of one length, exchanged after the pack was closed. */
function swapped(): Uint8Array {
  const pair = ['aaa', 'bbb'].map((payload, i) =>
    encodeFrame('body', id(`object ${i}`), new TextEncoder().encode(payload)),
  );
  const list = pair.map((frame, i) => ({
    objectId: id(`object ${i}`),
    offset: 32 + 67 * i,
    length: 3,
    digest: frame.digest,
  }));
  const inverse = [...pair].reverse().map((frame) => frame.frame);
  return concatBytes([encodePackHeader(header), ...inverse, encodeFooter(header, list)]);
}
