// Entry bundles: leaves one after the other, each behind its length as big-endian uint16
// (c2sp.org/tlog-tiles "Log entries"; docs/formats/ledger.md). Pure.

export function encodeBundle(bodies: readonly Uint8Array[]): Buffer {
  let size = 0;
  for (const body of bodies) size += 2 + body.length;
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const body of bodies) {
    at = out.writeUInt16BE(body.length, at);
    out.set(body, at);
    at += body.length;
  }
  return out;
}

/** The leaves of a bundle; `undefined` if the lengths do not add up. */
export function decodeBundle(bytes: Uint8Array): Buffer[] | undefined {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out: Buffer[] = [];
  let at = 0;
  while (at < all.length) {
    if (at + 2 > all.length) return undefined;
    const end = at + 2 + all.readUInt16BE(at);
    if (end > all.length) return undefined;
    out.push(all.subarray(at + 2, end));
    at = end;
  }
  return out;
}
