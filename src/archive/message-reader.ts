// The reader of one message, stored whole or as a recipe, from its rows and opened keys.
import { IntegrityError } from '../kernel/errors.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import { openBodyReader } from './body-reader.ts';
import { ProvedReader } from './proved-reader.ts';
import { openRecipeReader, type OpenPart } from './recipe-reader.ts';
import type { ContentRow } from './record-rows.store.ts';
import type { BodyReader } from './types.ts';

/** A content with its key, which whoever takes it over zeroes. */
export interface KeyedContent {
  readonly row: ContentRow;
  readonly dek: Buffer;
}

/** What a message is read with. */
export interface MessageKeys {
  readonly message: KeyedContent;
  /** Of a recipe. */
  readonly parts: readonly KeyedContent[];
  /** SHA-256 of the bytes, of the record's own metadata; undefined for a record that has none. */
  readonly digest: Uint8Array | undefined;
}

/** Takes over all keys. @throws IntegrityError. */
export async function openMessageReader(
  store: BodyStore,
  { message: { row, dek }, parts, digest }: MessageKeys,
): Promise<BodyReader> {
  const forget = (): void => {
    for (const part of parts) part.dek.fill(0);
  };
  let reader: BodyReader | undefined;
  try {
    const opened = await openBodyReader(store, row, dek);
    reader = opened.reader;
    if (opened.form === 'recipe') {
      reader = await openRecipeReader(reader, partOpener(store, parts), forget);
    }
    if (reader.size === row.size) {
      return digest === undefined ? reader : new ProvedReader(reader, row.contentId, digest);
    }
    throw new IntegrityError('integrity.pack', { content: row.contentId, what: 'size' });
  } catch (error) {
    reader?.close();
    forget();
    throw error;
  }
}

/** A part that the recipe names and the row does not is damage: its key was not asked for. */
function partOpener(store: BodyStore, parts: readonly KeyedContent[]): OpenPart {
  return async (part) => {
    const known = parts.find(({ row }) => row.contentId === part);
    if (known === undefined) {
      throw new IntegrityError('integrity.pack', { content: part, what: 'part' });
    }
    const { form, reader } = await openBodyReader(store, known.row, known.dek);
    if (form === 'octets' && reader.size === known.row.size) return reader;
    reader.close();
    throw new IntegrityError('integrity.pack', { content: part, what: 'size' });
  };
}
