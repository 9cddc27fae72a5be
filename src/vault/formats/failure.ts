// Why a decoder refused bytes. Every failure of a format is an IntegrityError that names the format
// and the kind; the same kinds stand in the `expect` field of test/vectors/ (docs/formats/conventions.md).
import { IntegrityError } from '../../kernel/errors.ts';

export type FormatName =
  'body' | 'recipe' | 'cell' | 'page' | 'wrap' | 'pack' | 'backup' | 'key-state';

/**
 * `format`: not canonical bytes of this format. `commitment`: a body under another key. `tag`: an
 * authentication tag or digest does not match. `identity`: whole, but of another object.
 */
export type FailureKind = 'format' | 'commitment' | 'tag' | 'identity';

const codeOf = {
  format: 'integrity.format',
  commitment: 'integrity.tag',
  tag: 'integrity.tag',
  identity: 'integrity.tag',
} as const satisfies Record<FailureKind, string>;

/** The error of a refused input; `what` says which rule was broken, never any of the bytes. */
export function formatFailure(
  format: FormatName,
  kind: FailureKind,
  what: string,
  cause?: unknown,
): IntegrityError {
  const code = format === 'pack' && kind !== 'format' ? 'integrity.pack' : codeOf[kind];
  return new IntegrityError(code, { format, kind, what }, cause);
}
