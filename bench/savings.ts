// What storing costs in octets, each set by itself: plain files, gzip a message, and Postseal's packs, messages whole and with
// shared parts. Sealed with the program's own code; the octets of a pack frame are counted, rows
// of the database are not. `--json FILE` writes the figures too.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { cutMessage } from '../src/archive/cut-message.ts';
import { largeBytes } from '../src/archive/take-original.ts';
import type { ContentId } from '../src/kernel/ids.ts';
import { parseMessage } from '../src/mime/parser.ts';
import { sealBody } from '../src/vault/formats/body.ts';
import { frameOverheadBytes } from '../src/vault/formats/pack.ts';
import { encodeRecipe, type RecipePiece } from '../src/vault/formats/recipe.ts';
import {
  corpusSet,
  type MessageSet,
  officeParameters,
  officeSet,
  spamAssassinSet,
} from './savings-sets.ts';

const { values } = parseArgs({ options: { json: { type: 'string' } } });

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const sealedBytes = (bytes: Uint8Array): number =>
  frameOverheadBytes + sealBody(randomBytes(32), randomUUID(), bytes).length;

interface Stored {
  readonly bytes: number;
  /** Contents, parts included. */
  readonly contents: number;
}

/** Octets in packs when equal messages, and equal parts, are stored once. */
function postseal(messages: readonly Buffer[], parts: boolean): Stored {
  const seen = new Set<string>();
  let bytes = 0;
  const once = (kind: string, octets: Uint8Array): boolean => {
    const name = `${kind} ${digestOf(octets)}`;
    if (seen.has(name)) return false;
    seen.add(name);
    return true;
  };
  for (const message of messages) {
    if (!once('message', message)) continue;
    const pieces =
      parts && message.length <= largeBytes
        ? cutMessage(parseMessage(message), message)
        : undefined;
    if (pieces === undefined) {
      bytes += sealedBytes(message);
      continue;
    }
    const part = randomUUID() as ContentId;
    const table = pieces.map((piece): RecipePiece => {
      const { length } = piece.bytes;
      if (piece.kind === 'literal') return { kind: 'literal', length };
      if (once('part', piece.bytes)) bytes += sealedBytes(piece.bytes);
      if (piece.kind === 'octets') return { kind: 'octets', length, part };
      return { kind: 'base64', length: piece.length, part, partLength: length, form: piece.form };
    });
    const literals = pieces.flatMap((piece) => (piece.kind === 'literal' ? [piece.bytes] : []));
    bytes += sealedBytes(encodeRecipe(table, literals));
  }
  return { bytes, contents: seen.size };
}

function rowOf({ name, messages }: MessageSet) {
  const plain = messages.reduce((sum, { length }) => sum + length, 0);
  const gzip = messages.reduce((sum, message) => sum + gzipSync(message).length, 0);
  const whole = postseal(messages, false);
  const parts = postseal(messages, true);
  const saved = (bytes: number): string => `${(100 * (1 - bytes / plain)).toFixed(1)} %`;
  return {
    set: name,
    messages: messages.length,
    plain,
    gzip,
    'gzip saves': saved(gzip),
    whole: whole.bytes,
    'whole saves': saved(whole.bytes),
    parts: parts.bytes,
    'parts save': saved(parts.bytes),
    contents: parts.contents,
  };
}

const sets = [corpusSet(), spamAssassinSet(), officeSet()].filter((set) => set !== undefined);
const rows = sets.map(rowOf);
console.table(rows);
process.stdout.write(`office set: ${JSON.stringify(officeParameters)}\n`);
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify({ officeParameters, rows }, null, 1)}\n`);
}
