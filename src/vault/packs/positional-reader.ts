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

/** Reads ahead in windows of `windowBytes`, for someone who walks forward in small steps. */
export function windowedReader(reader: PositionalReader, windowBytes: number): PositionalReader {
  let start = 0;
  let window: Uint8Array = new Uint8Array(0);
  return {
    length: reader.length,
    read: async (from, to) => {
      if (from < start || to > start + window.length) {
        if (to - from >= windowBytes) return reader.read(from, to);
        window = await reader.read(from, Math.min(from + windowBytes, reader.length));
        start = from;
      }
      return window.subarray(from - start, to - start);
    },
  };
}
