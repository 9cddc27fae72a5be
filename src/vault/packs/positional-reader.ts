// Bytes that are read by position: a frame in a pack, a part of an object, or memory.

/** `from` and `to` count from the first byte; `to` is exclusive and at most `length`. */
export interface PositionalReader {
  readonly length: number;
  /** Exactly the bytes asked for; rejects if they cannot be had. */
  read(from: number, to: number): Promise<Uint8Array>;
}

/** Reader over bytes in memory. */
export function memoryReader(bytes: Uint8Array): PositionalReader {
  return {
    length: bytes.length,
    read: (from, to) => Promise.resolve(bytes.subarray(from, to)),
  };
}
