// What the command line does without a running server (src/cli/offline.ts). Everything heavy is loaded by the
// command that needs it: most commands only talk to the server and should start at once.
import type { Offline } from '../cli/offline.ts';
import type { Config } from '../platform/config/config.ts';

export function createOffline(options: { readonly config: () => Config }): Offline {
  const { config } = options;
  return {
    home: () => config().home,
    serve: async () => (await import('./serve.ts')).serve(config()),
    serveKeys: async () => (await import('./serve.ts')).serveKeys(config()),
    demo: async () => (await import('./demo.ts')).demo(),
    version: async () => (await import('./version.ts')).versions(),
    effectiveConfig: () => Promise.resolve(JSON.parse(JSON.stringify(config())) as unknown),
    migrate: async () => (await import('./offline-work.ts')).migrateHome(config()),
    verifyLedger: async (onProgress) =>
      (await import('./offline-work.ts')).verifyLedgerOf(config(), onProgress),
    scrub: async (onProgress) => (await import('./offline-work.ts')).scrubOf(config(), onProgress),
    listBackups: async (from) => (await import('./backup-offline.ts')).listBackups(config(), from),
    verifyBackup: async (from, onProgress) =>
      (await import('./backup-offline.ts')).verifyBackupOf(config(), from, onProgress),
    restore: async (from, at, onProgress) =>
      (await import('./backup-offline.ts')).restoreTo(config(), from, at, onProgress),
    doctor: async () => (await import('./doctor.ts')).examine(config()),
  };
}
