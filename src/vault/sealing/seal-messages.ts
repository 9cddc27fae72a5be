// What a sealing worker and its owner say to each other. Byte arrays are handed over, not copied,
// and come back, so that a stream of any length lives in a few pairs of buffers.

export type ToSealWorker =
  | {
      readonly type: 'begin';
      readonly id: number;
      readonly dek: Uint8Array;
      readonly contentId: string;
    }
  /** `buffer` holds `length` bytes of plaintext; `target` has room for what is sealed of it. */
  | {
      readonly type: 'piece';
      readonly id: number;
      readonly buffer: Uint8Array<ArrayBuffer>;
      readonly length: number;
      readonly target: Uint8Array<ArrayBuffer>;
    }
  | { readonly type: 'end'; readonly id: number }
  | { readonly type: 'abort'; readonly id: number };

export type FromSealWorker =
  /** `target` holds `length` bytes of the body; `buffer` is the plaintext buffer, zeroed. */
  | {
      readonly type: 'sealed';
      readonly id: number;
      readonly buffer: Uint8Array<ArrayBuffer>;
      readonly length: number;
      readonly target: Uint8Array<ArrayBuffer>;
    }
  | { readonly type: 'ended'; readonly id: number; readonly sealed: Uint8Array<ArrayBuffer> }
  | { readonly type: 'failed'; readonly id: number; readonly reason: string };
