// Asks for a password on a terminal without showing it. Question and line ends go to the error stream, so
// that standard output holds results only.
import type { ReadStream } from 'node:tty';
import { PostsealError } from '../kernel/errors.ts';
import { printable } from './output.ts';

const keys = { enter: '\r', newline: '\n', end: '\x04', interrupt: '\x03', clear: '\x15' };
const backspaces = new Set(['\x7f', '\b']);
const triesMax = 3;

export interface Terminal {
  readonly input: ReadStream;
  readonly output: NodeJS.WritableStream;
}

/** One line, unseen; Ctrl-C interrupts the process as ever. */
function readHidden(question: string, { input, output }: Terminal): Promise<string> {
  return new Promise((resolve) => {
    let typed: string[] = [];
    const stop = (): void => {
      input.off('data', take);
      input.setRawMode(false);
      input.pause();
      output.write('\n');
    };
    const take = (chunk: string): void => {
      // Arrow keys and the like: a sequence is no part of a password.
      for (const key of chunk.replace(/\x1b(\[[0-9;?]*[@-~]|O.)/g, '')) {
        if (key === keys.enter || key === keys.newline || key === keys.end) {
          stop();
          resolve(typed.join(''));
          return;
        }
        if (key === keys.interrupt) {
          stop();
          process.kill(process.pid, 'SIGINT');
          return;
        }
        if (key === keys.clear) typed = [];
        else if (backspaces.has(key)) typed.pop();
        else typed.push(key);
      }
    };
    input.setEncoding('utf8');
    input.setRawMode(true);
    input.on('data', take);
    input.resume();
    // Asked only now: what is typed the moment the question shows must find the echo off already.
    output.write(question);
  });
}

/** Whose password: people have several, and the name shows where a command was misunderstood. */
export interface Wanted {
  readonly isNew: boolean;
  /** Name of the person or account; undefined when nobody knows it here. */
  readonly of: string | undefined;
}

/**
 * Asks for a password, a new one twice. @throws PostsealError `usage` when the two differ three times.
 */
export async function askPassword(terminal: Terminal, { isNew, of }: Wanted): Promise<string> {
  const whose = of === undefined ? 'password: ' : `password of ${printable(of)}: `;
  if (!isNew) return readHidden(whose, terminal);
  for (let i = 0; i < triesMax; i += 1) {
    const first = await readHidden(`new ${whose}`, terminal);
    if ((await readHidden('once more: ', terminal)) === first) return first;
    terminal.output.write('postseal: the two differ\n');
  }
  throw new PostsealError('usage', { password: 'the two entries differ' });
}
