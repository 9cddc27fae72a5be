// Turns readable text into a framed command, through the real reader.
import { CommandReader } from '../../../src/imap/wire/command-reader.ts';
import type { RawCommand } from '../../../src/imap/wire/raw-command.ts';

/** The first command in `text`, with its literals buffered; CRLF is added. */
export function wireOf(text: string | Uint8Array): RawCommand {
  const reader = new CommandReader({ lineBytesMax: 1 << 20 });
  reader.push(typeof text === 'string' ? Buffer.from(text, 'utf8') : text);
  reader.push(Buffer.from('\r\n'));
  for (let event = reader.next(); event !== null; event = reader.next()) {
    if (event.kind === 'literal') reader.decide('buffer');
    if (event.kind === 'command') return event.command;
  }
  return { segments: [{ kind: 'text', bytes: new Uint8Array(0) }] };
}
