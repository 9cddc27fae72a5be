// The archive of one process: takes messages in, opens them under a grant, destroys them (§2, §3).
import { PostsealError } from '../kernel/errors.ts';
import type { CustodianId, OrganisationId } from '../kernel/ids.ts';
import { messageBytesDefault } from '../kernel/limits.ts';
import type { EventSealer } from '../ledger/event/event-sealer.ts';
import type { Database } from '../platform/postgres/database.ts';
import type { KeyClient } from '../vault/keys/types.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import type { SealPool } from '../vault/sealing/seal-pool.ts';
import type { Committer } from './committer/types.ts';
import { ContentChooser } from './content-chooser.ts';
import { createContentLookup, createPartLookup } from './content-lookup.store.ts';
import { ensureCustodianRow } from './custodians.store.ts';
import type { ErasureTarget } from './erasure-target.ts';
import { createMetadataRows } from './metadata-rows.store.ts';
import { RecordOpener } from './open-records.ts';
import { Preparer } from './prepare.ts';
import { RecordErasure } from './record-erasure.ts';
import { RecordNumbers } from './record-numbers.store.ts';
import { createRecordKind } from './record-part.store.ts';
import { createContentRows, createPartRows } from './record-rows.store.ts';
import { Shredder } from './shredder.ts';
import type { Archive } from './types.ts';

export interface ArchiveDeps {
  readonly db: Database;
  readonly keys: KeyClient;
  readonly store: BodyStore;
  /** Seals large messages off the event loop. */
  readonly seals: SealPool;
  readonly committer: Committer;
  /** Of administration; the committer has one of its own. */
  readonly sealer: EventSealer;
  readonly organisation: OrganisationId;
  /** Octets above which a message is refused; default 50 MiB. */
  readonly sizeMax?: number;
  /** Monotonic milliseconds, for the ages of caches. */
  readonly monotonic: () => number;
  /** Lets every other process forget its keys; a shred counts as done when it resolves. */
  readonly flushOthers?: () => Promise<void>;
  /** Targets of the rooms below, asked for each shred; left out: the archive is alone. */
  readonly erasureTargets?: () => readonly ErasureTarget[];
  /** The file of a large message that nobody needs could not be deleted; it stays as an orphan. */
  readonly onDiscardFailure?: (error: unknown) => void;
}

/** Makes the archive; `close` it before committer, keys and store. */
export function createArchive(deps: ArchiveDeps): Archive {
  const { db, keys, store, committer } = deps;
  const chooser = new ContentChooser(
    keys,
    createContentLookup(db, deps.organisation),
    createPartLookup(db, deps.organisation),
  );
  const kind = createRecordKind({
    sync: (place) => store.sync(place),
    chooseAgain: (draft) => chooser.chooseAgain(draft),
    release: (draft, committed) => {
      chooser.release(draft, committed).catch((error: unknown) => deps.onDiscardFailure?.(error));
    },
  });
  const preparer = new Preparer({
    keys,
    store,
    seals: deps.seals,
    chooser,
    kind,
    numbers: new RecordNumbers(db),
    sizeMax: deps.sizeMax ?? messageBytesDefault,
  });
  const opener = new RecordOpener({
    keys,
    store,
    contents: createContentRows(db),
    parts: createPartRows(db),
    metadata: createMetadataRows(db),
    monotonic: deps.monotonic,
  });
  const erasure = new RecordErasure({ db, keys, committer });
  const others = deps.erasureTargets ?? (() => []);
  const shredder = new Shredder({ db, committer, record: erasure, others });
  return {
    prepareFor: (custodians, input) => preparer.prepareFor(custodians, input),
    prepare: async (input) => {
      const [record] = await preparer.prepareFor([input.custodian], input);
      if (record === undefined) throw new PostsealError('internal', { what: 'nothing prepared' });
      return record;
    },
    openMetadata: (grant, records) => opener.openMetadata(grant, records),
    openBodies: (grant, records) => opener.openBodies(grant, records),
    openBody: async (grant, record) => {
      const [reader] = await opener.openBodies(grant, [record]);
      if (reader instanceof PostsealError) throw reader;
      if (reader === undefined) throw new PostsealError('internal', { what: 'no answer' });
      return reader;
    },
    erasure,
    shred: async (record, cause) => {
      try {
        return await shredder.shred(record, cause);
      } finally {
        // Whatever the look at the tables afterwards found: the keys are gone, and no cache keeps them.
        opener.flush();
        await deps.flushOthers?.();
      }
    },
    ensureCustodian: async (id: CustodianId, custodianKind) => {
      await ensureCustodianRow(deps, id, custodianKind);
      await keys.ensureCustodian(id);
    },
    flushCaches: () => opener.flush(),
    onFlush: (forget) => opener.onFlush(forget),
    close: () => opener.close(),
  };
}
