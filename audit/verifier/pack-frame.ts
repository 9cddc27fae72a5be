// One frame of a pack (docs/formats/pack.md): header of the file, prefix and digest of the frame. No key is
// needed for any of it.
import { createHash } from 'node:crypto';
import { type ByteSource, partOf } from './byte-source.ts';
import { digest } from './hashes.ts';
import { idBytes } from './key-chain.ts';
import { Refused } from './refused.ts';

const headerBytes = 32;
const prefixBytes = 32;
const digestBytes = 32;
const stepBytes = 1 << 20;

const refuse = (what: string): Refused => new Refused('pack', 'format', what);

/** `HOME/packs/<first two digits>/<id>.pack` */
export const packPath = (pack: string): string => `${pack.slice(0, 2)}/${pack}.pack`;

function checkFile(file: ByteSource, pack: string): void {
  if (file.length < headerBytes) throw refuse('length');
  const header = file.read(0, headerBytes);
  if (header.toString('latin1', 0, 4) !== 'PSPK') throw refuse('magic');
  const kind = header[5] ?? 0;
  if (header[4] !== 1 || kind < 1 || kind > 2 || header.readUInt16BE(6) !== 0) {
    throw refuse('file header');
  }
  if (!digest(header.subarray(0, 24)).subarray(0, 8).equals(header.subarray(24))) {
    throw new Refused('pack', 'tag', 'file header');
  }
  if (!header.subarray(8, 24).equals(idBytes(pack))) {
    throw new Refused('pack', 'identity', 'another pack');
  }
}

/** What an export says about a frame. */
export interface FrameReference {
  readonly content: string;
  readonly pack: string;
  readonly offset: number;
  readonly length: number;
  readonly digest: Buffer;
}

/** The body in the frame at the place of the export. @throws Refused `format`, `tag`, `identity`. */
export function openFrame(file: ByteSource, at: FrameReference): ByteSource {
  checkFile(file, at.pack);
  const payloadAt = at.offset + prefixBytes;
  if (at.offset < headerBytes || payloadAt + at.length + digestBytes > file.length) {
    throw refuse('the frame is not in the file');
  }
  const prefix = file.read(at.offset, prefixBytes);
  if (prefix.toString('latin1', 0, 4) !== 'PSFR') throw refuse('magic of the frame');
  if (prefix[4] !== 1 || prefix[5] !== 1 || prefix.readUInt16BE(6) !== 0) throw refuse('prefix');
  if (prefix.readBigUInt64BE(8) !== BigInt(at.length)) throw refuse('length of the frame');
  if (!prefix.subarray(16).equals(idBytes(at.content))) {
    throw new Refused('pack', 'identity', 'another content');
  }
  const hash = createHash('sha256');
  for (let from = 0; from < at.length; from += stepBytes) {
    hash.update(file.read(payloadAt + from, Math.min(stepBytes, at.length - from)));
  }
  const computed = hash.update(prefix).digest();
  const stored = file.read(payloadAt + at.length, digestBytes);
  if (!computed.equals(stored)) throw new Refused('pack', 'tag', 'digest of the frame');
  if (!computed.equals(at.digest)) throw new Refused('pack', 'identity', 'another frame');
  return partOf(file, payloadAt, at.length);
}
