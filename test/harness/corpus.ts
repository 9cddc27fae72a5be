// The test mail: real and hostile messages beside the checkout (POSTSEAL_CORPUS overrides), never in it.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const corpusFolder =
  process.env['POSTSEAL_CORPUS'] ?? resolve(import.meta.dirname, '../../../shared/corpus');

export interface CorpusMessage {
  /** Path below the corpus folder. */
  readonly file: string;
  readonly bytes: Buffer;
}

/** Turns bare LF into CRLF, as a mail program does before it hands a message over. */
export function toCrlf(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
}

/** Every message file of the corpus, or of some of its folders, in name order. */
export function corpusMessages(...folders: string[]): CorpusMessage[] {
  if (!existsSync(corpusFolder)) {
    throw new Error(`no corpus at ${corpusFolder}; set POSTSEAL_CORPUS`);
  }
  return readdirSync(corpusFolder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.eml'))
    .filter(
      (file) => folders.length === 0 || folders.some((folder) => file.startsWith(`${folder}/`)),
    )
    .sort()
    .map((file) => ({ file, bytes: readFileSync(join(corpusFolder, file)) }));
}
