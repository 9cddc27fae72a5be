// Writes one file of a backup: head, sealed body, digest; whole and durable under its name, or not there.
// docs/formats/backup.md "File".
import { createHash, type Hash, randomBytes } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { uuidV4, type OrganisationId } from '../../kernel/ids.ts';
import {
  backupFileKey,
  type BackupKind,
  encodeBackupHead,
} from '../../vault/formats/backup-file.ts';
import { type BodySealer, createBodySealer } from '../../vault/formats/body.ts';
import type { BackupKey } from './backup-keys.ts';
import { ensureFolderOf, publish, targetFailed } from './target.ts';

/** What is sealed without giving way to others. */
export const sliceBytes = 262_144;

export interface SealedPlace {
  readonly kind: BackupKind;
  readonly organisation: OrganisationId;
  readonly key: BackupKey;
  readonly pathOf: (fileId: string) => string;
}

export interface SealedHead {
  readonly bytes: Uint8Array;
  /** Of the body. */
  readonly dek: Uint8Array;
}

export class SealedWriter {
  readonly id: string;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #sealer: BodySealer;
  readonly #digest: Hash = createHash('sha256');
  #stored = 0;

  private constructor(id: string, path: string, file: FileHandle, sealer: BodySealer) {
    this.id = id;
    this.#path = path;
    this.#file = file;
    this.#sealer = sealer;
  }

  /** @throws PostsealError `backup.target-failed`, here and from every method. */
  static create({ kind, organisation, key, pathOf }: SealedPlace): Promise<SealedWriter> {
    return SealedWriter.createWith(pathOf, (id) => {
      const head = {
        ...{ kind, fileId: id, organisationId: organisation, keyId: key.id },
        wrap: key.wrap,
      };
      return { bytes: encodeBackupHead(head), dek: backupFileKey(key.key, head) };
    });
  }

  /** A file with another head than that of backups. */
  static async createWith(
    pathOf: SealedPlace['pathOf'],
    headOf: (fileId: string) => SealedHead,
  ): Promise<SealedWriter> {
    const id = uuidV4(randomBytes(16));
    const path = pathOf(id);
    const { bytes, dek } = headOf(id);
    const file = await onTarget(async () => {
      await ensureFolderOf(path);
      return open(`${path}.new`, 'wx', 0o600);
    });
    const writer = new SealedWriter(id, path, file, createBodySealer(dek, id));
    await writer.#orAbandon(() => writer.#put([bytes]));
    return writer;
  }

  /** Octets of plaintext so far. */
  get plainLength(): number {
    return this.#sealer.plainLength;
  }

  /** Give it pieces of a few hundred KiB: sealing is synchronous. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.#put(this.#sealer.push(bytes));
  }

  /** Everything of a small file, and its end; takes away what was written if that fails. */
  async finishWith(bytes: Uint8Array): Promise<void> {
    await this.#orAbandon(async () => {
      for (let at = 0; at < bytes.length; at += sliceBytes) {
        await this.write(bytes.subarray(at, at + sliceBytes));
      }
      await this.finish();
    });
  }

  /** Durable when it returns; answers the octets of the file. */
  async finish(): Promise<number> {
    await this.#put(this.#sealer.end());
    await this.#put([this.#digest.copy().digest()]);
    await onTarget(async () => {
      await this.#file.sync();
      await this.#file.close();
      await publish(`${this.#path}.new`, this.#path);
    });
    return this.#stored;
  }

  /** Takes away what was written. */
  async abandon(): Promise<void> {
    await this.#file.close();
    await rm(`${this.#path}.new`, { force: true });
  }

  /** A handle that is left open ends the process when its memory is collected. */
  async #orAbandon(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      await this.abandon();
      throw error;
    }
  }

  async #put(parts: readonly Uint8Array[]): Promise<void> {
    for (const part of parts) {
      this.#digest.update(part);
      await onTarget(async () => {
        for (let at = 0; at < part.length;) {
          at += (await this.#file.write(part, at, part.length - at)).bytesWritten;
        }
      });
      this.#stored += part.length;
    }
  }
}

async function onTarget<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    return targetFailed(error);
  }
}
