// Canonical JSON as docs/formats/leaf.md "Bytes" restricts RFC 8785: a leaf counts only if encoding
// what was decoded gives the same bytes.

export type Json =
  null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

export const leafBytesMax = 16_384;
const depthMax = 16;

const shortEscapes: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\f': '\\f',
  '\r': '\\r',
  '"': '\\"',
  '\\': '\\\\',
};

function encodeText(text: string): string {
  if (!text.isWellFormed()) throw new Error('lone surrogate');
  let out = '"';
  for (const unit of text) {
    const short = shortEscapes[unit];
    if (short !== undefined) out += short;
    else if (unit < ' ') out += `\\u00${unit.charCodeAt(0).toString(16).padStart(2, '0')}`;
    else out += unit;
  }
  return `${out}"`;
}

function encode(value: Json, depth: number): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return encodeText(value);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new Error('not a safe integer');
    return String(value === 0 ? 0 : value);
  }
  if (depth > depthMax) throw new Error('nested too deep');
  if (Array.isArray(value)) {
    return `[${value.map((item: Json) => encode(item, depth + 1)).join(',')}]`;
  }
  const object = value as { readonly [name: string]: Json };
  // The default order of sort() is by UTF-16 code units, which is what RFC 8785 asks for.
  const members = Object.keys(object)
    .sort()
    .map((name) => `${encodeText(name)}:${encode(object[name] ?? null, depth + 1)}`);
  return `{${members.join(',')}}`;
}

/** The object that the bytes encode, or undefined if they are not canonical. */
export function decodeCanonical(bytes: Buffer): { readonly [name: string]: Json } | undefined {
  if (bytes.length > leafBytesMax) return undefined;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const value = JSON.parse(text) as Json;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    if (!Buffer.from(encode(value, 1)).equals(bytes)) return undefined;
    return value as { readonly [name: string]: Json };
  } catch {
    // Not UTF-8, not JSON, or outside the restrictions: not canonical, whatever the reason.
    return undefined;
  }
}
