// A whole pack in memory before it is put: header, frames and footer of docs/formats/pack.md. The bytes of
// an object and of a file are the same.
import type { PackId } from '../../kernel/ids.ts';
import { concatBytes } from '../../kernel/bytes.ts';
import { encodeFrame, encodePackHeader, packHeaderBytes } from '../formats/pack.ts';
import { encodeFooter, type FooterEntry } from '../formats/pack-footer.ts';
import type { FrameObject, PackRef } from '../packs/body-store.ts';

export class PackImage {
  readonly pack: PackId;
  readonly #entries: FooterEntry[] = [];
  readonly #frames: Uint8Array[] = [];
  #bytes = packHeaderBytes;

  constructor(pack: PackId) {
    this.pack = pack;
  }

  /** Octets so far, without the footer. */
  get bytes(): number {
    return this.#bytes;
  }

  get frames(): number {
    return this.#entries.length;
  }

  add({ objectId, kind = 'body' }: FrameObject, payload: Uint8Array): PackRef {
    const { frame, digest } = encodeFrame(kind, objectId, payload);
    const offset = this.#bytes;
    this.#frames.push(frame);
    this.#entries.push({ objectId, offset, length: payload.length, digest });
    this.#bytes += frame.length;
    return { pack: this.pack, offset, length: payload.length, sha256: Buffer.from(digest) };
  }

  encode(): Uint8Array {
    const header = { kind: 'shared', packId: this.pack } as const;
    return concatBytes([
      encodePackHeader(header),
      ...this.#frames,
      encodeFooter(header, this.#entries),
    ]);
  }
}
