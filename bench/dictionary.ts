// Does a zstd dictionary pay for small messages (docs/adr/0014-dictionary-later.md)? Trained by zstd's own trainer
// (Debian's `zstd`) on every second message of the public SpamAssassin set, measured on the others and on the corpus:
// stored octets of messages of one chunk and CPU a message of node:zlib, with and without.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { corpusSet, type MessageSet, spamAssassinSet } from './savings-sets.ts';

const chunk = 65_536;
const small = ({ name, messages }: MessageSet): MessageSet => ({
  name,
  messages: messages.filter(({ length }) => length <= chunk),
});

function train(messages: readonly Buffer[], kilobytes: number): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'postseal-dictionary-'));
  try {
    mkdirSync(join(folder, 'in'));
    for (const [i, message] of messages.entries()) {
      writeFileSync(join(folder, 'in', String(i).padStart(6, '0')), message);
    }
    const out = join(folder, 'dictionary');
    const size = `--maxdict=${String(kilobytes * 1_024)}`;
    execFileSync('zstd', ['-q', '--train', '-r', join(folder, 'in'), size, '-o', out], {
      stdio: 'ignore',
    });
    return readFileSync(out);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function measure(messages: readonly Buffer[], dictionary?: Buffer): { bytes: number; ms: number } {
  const run = (): number =>
    messages.reduce((sum, message) => {
      const options = { pledgedSrcSize: message.length, chunkSize: Math.max(64, message.length) };
      const more = dictionary === undefined ? {} : { dictionary };
      return (
        sum + Math.min(message.length, zstdCompressSync(message, { ...options, ...more }).length)
      );
    }, 0);
  run();
  const before = process.cpuUsage();
  const bytes = run();
  const { user, system } = process.cpuUsage(before);
  return { bytes, ms: (user + system) / 1_000 / messages.length };
}

const all = small(spamAssassinSet());
const half = (odd: number): Buffer[] => all.messages.filter((_, i) => i % 2 === odd);
const tested = [{ name: 'SpamAssassin, other half', messages: half(1) }];
const corpus = corpusSet();
if (corpus !== undefined) tested.push({ ...small(corpus), messages: [...small(corpus).messages] });

const rows = [16, 32, 64, 112].flatMap((kilobytes) => {
  const dictionary = train(half(0), kilobytes);
  return tested.map(({ name, messages }) => {
    const plain = measure(messages);
    const helped = measure(messages, dictionary);
    return {
      set: name,
      messages: messages.length,
      'dictionary KiB': kilobytes,
      'without, octets': plain.bytes,
      'with, octets': helped.bytes,
      saves: `${(100 * (1 - helped.bytes / plain.bytes)).toFixed(1)} %`,
      'without, ms CPU': plain.ms.toFixed(3),
      'with, ms CPU': helped.ms.toFixed(3),
    };
  });
});
console.table(rows);
