// Reads the known-answer files of test/vectors/ (see test/vectors/README.md); all bytes are hex.
import { readFileSync } from 'node:fs';
import type { Purpose } from '../../../src/vault/formats/purposes.ts';

export type Expect = 'ok' | 'format' | 'commitment' | 'tag' | 'identity';

interface Named {
  readonly name: string;
  readonly comment: string;
  readonly expect: Expect;
}

export interface WrapVector extends Named {
  readonly parentKey: string;
  readonly purpose: Purpose;
  readonly custodianId: string;
  readonly parentKeyId: string;
  readonly parentVersion: number;
  readonly objectId: string;
  /** Absent where the wrap must not open. */
  readonly key?: string;
  readonly wrap: string;
}

export interface CellVector extends Named {
  readonly key: string;
  readonly purpose: 'cell' | 'names' | 'side-record';
  readonly custodianId: string;
  readonly objectId: string;
  readonly payload?: string;
  readonly cell: string;
}

export interface PageVector extends Named {
  readonly key: string;
  readonly custodianId: string;
  readonly pageId: string;
  readonly records?: readonly { readonly recordId: string; readonly payload: string }[];
  readonly page: string;
}

export interface BodyVector extends Named {
  readonly dek: string;
  readonly contentId: string;
  readonly codec?: 'none' | 'zstd';
  /** The message is `pattern` repeated and cut to `length` bytes. */
  readonly plain?: { readonly pattern: string; readonly length: number };
  /** Stored blocks in order, so that the body can be made again without zstd. */
  readonly stored?: readonly string[];
  readonly body: string;
}

export interface RecipeVector extends Named {
  readonly dek: string;
  readonly contentId: string;
  readonly parts: readonly { readonly content: string; readonly octets: string }[];
  /** Plaintext of the body, codec none; absent where the body is another one. */
  readonly recipe?: string;
  readonly message?: string;
  readonly body: string;
}

export interface PackVector extends Named {
  readonly packId: string;
  readonly closed: boolean;
  readonly frames: readonly {
    readonly objectId: string;
    readonly offset: number;
    readonly payload: string;
    readonly digest: string;
  }[];
  /** Findings of a scrub in file order; none where `expect` is `ok`. */
  readonly findings: readonly { readonly kind: string; readonly offset: number }[];
  readonly pack: string;
}

export interface ExportVector extends Named {
  readonly kek: string;
  readonly kekLabel: string;
  /** The file as text, both lines. */
  readonly export: string;
  readonly packId: string;
  readonly pack: string;
  readonly messages: readonly {
    readonly content: string;
    readonly length: number;
    readonly sha256: string;
  }[];
  /** Payloads of docs/formats/metadata.md. */
  readonly metadata: readonly { readonly record: string; readonly payload: string }[];
}

export const vectorFolder = new URL('../../vectors/', import.meta.url);

export function readVectors<T extends Named>(path: string): T[] {
  const file = JSON.parse(readFileSync(new URL(path, vectorFolder), 'utf8')) as { vectors: T[] };
  return file.vectors;
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

export function plainOf(plain: { pattern: string; length: number }): Uint8Array {
  const pattern = fromHex(plain.pattern);
  return Uint8Array.from({ length: plain.length }, (_, i) => pattern[i % pattern.length] ?? 0);
}
