// Node's files with faults that a test arms: an error of the system at the nth write or sync. The bytes
// that did get through are real.
import { nodePackFiles, type PackFiles } from '../../../src/vault/packs/pack-files.ts';

export class FaultyFiles {
  /** Error code for the next writes or syncs; undefined: none. */
  failWrite: string | undefined;
  failSync: string | undefined;
  /** What `freeBytes` answers instead of the truth. */
  free: number | undefined;
  syncs = 0;
  folderSyncs = 0;
  opens = 0;
  openNow = 0;
  syncedAfterFailure = 0;

  readonly files: PackFiles = {
    ...nodePackFiles,
    freeBytes: (path) => this.free ?? nodePackFiles.freeBytes(path),
    syncFolder: (path) => {
      this.folderSyncs += 1;
      return nodePackFiles.syncFolder(path);
    },
    open: async (path) => {
      const file = await nodePackFiles.open(path);
      this.opens += 1;
      this.openNow += 1;
      return {
        length: file.length,
        read: (target, position) => file.read(target, position),
        close: () => {
          this.openNow -= 1;
          return file.close();
        },
      };
    },
    create: async (path) => {
      const file = await nodePackFiles.create(path);
      let failed = false;
      return {
        write: async (pieces, position) => {
          if (this.failWrite === undefined) return file.write(pieces, position);
          // Half of it reaches the disk, as with a disk that fills up.
          const all = Buffer.concat(pieces);
          await file.write([all.subarray(0, all.length >> 1)], position);
          throw systemError(this.failWrite);
        },
        sync: async () => {
          this.syncs += 1;
          if (failed) this.syncedAfterFailure += 1;
          if (this.failSync !== undefined) {
            failed = true;
            throw systemError(this.failSync);
          }
          await file.sync();
        },
        protect: () => file.protect(),
        close: () => file.close(),
      };
    },
  };
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
