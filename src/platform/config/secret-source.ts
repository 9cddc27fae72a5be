// Reads a secret from where the configuration says it is. One line break at the end belongs to the
// editor, not to the secret.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';
import { Secret } from '../../kernel/secret.ts';

export type SecretSource =
  | { readonly env: string; readonly file?: undefined }
  | { readonly file: string; readonly env?: undefined };

/**
 * @param pointer JSON pointer of the key, named in the error.
 * @param folder where a relative file begins.
 * @throws PostsealError `config.secret-missing`, naming the variable or file, never the value.
 */
export function readSecret(
  source: SecretSource,
  pointer: string,
  folder: string,
  environment: NodeJS.ProcessEnv,
): Secret {
  if (source.env !== undefined) {
    const value = environment[source.env];
    if (value === undefined || value === '') {
      throw new PostsealError('config.secret-missing', { pointer, env: source.env });
    }
    return Secret.fromText(value);
  }
  const path = resolve(folder, source.file);
  let text: string;
  try {
    text = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw new PostsealError('config.secret-missing', { pointer, file: path }, cause);
  }
  if (text === '') throw new PostsealError('config.secret-missing', { pointer, file: path });
  return Secret.fromText(text);
}
