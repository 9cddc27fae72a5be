// Everything before the transaction: take the bytes, choose the content, seal the metadata, get the
// wraps. What it makes is worth nothing until the record part is committed.
import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import type { CustodianId, RecordId } from '../kernel/ids.ts';
import { PostsealError } from '../kernel/errors.ts';
import { sealCell } from '../vault/formats/cell.ts';
import type { KeyClient } from '../vault/keys/types.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import type { SealPool } from '../vault/sealing/seal-pool.ts';
import { part, type PartKind } from './committer/types.ts';
import type { ContentChooser } from './content-chooser.ts';
import { groupOf, type RecordDraft } from './record-draft.ts';
import { originalCommitment, saltMetadata } from './metadata-payload.ts';
import type { RecordNumbers } from './record-numbers.store.ts';
import { type Original, takeOriginal, type TagKey } from './take-original.ts';
import type { IngestInput, PreparedRecord, StoredRecord } from './types.ts';

export interface PreparerDeps {
  readonly keys: KeyClient;
  readonly store: BodyStore;
  readonly seals: SealPool;
  readonly numbers: RecordNumbers;
  readonly chooser: ContentChooser;
  readonly kind: PartKind<RecordDraft, StoredRecord>;
  /** Octets above which a message is refused. */
  readonly sizeMax: number;
}

type Input = Omit<IngestInput, 'custodian'>;

export class Preparer {
  readonly #deps: PreparerDeps;
  #tagKey: Promise<TagKey> | undefined;

  constructor(deps: PreparerDeps) {
    this.#deps = deps;
  }

  async prepareFor(custodians: readonly CustodianId[], input: Input): Promise<PreparedRecord[]> {
    if (input.size !== undefined && input.size > this.#deps.sizeMax) {
      throw new PostsealError('limit.message-size', { bytes: input.size });
    }
    const original = await takeOriginal(input.bytes, {
      store: this.#deps.store,
      seals: this.#deps.seals,
      tagKey: await this.#dedupKey(),
      envelope: input.envelope,
      sizeMax: this.#deps.sizeMax,
    });
    // A holder of its own, so that no draft that ends early deletes the file under the others.
    const guard = {};
    original.spare?.holders.add(guard);
    const drafts = await Promise.allSettled(
      custodians.map((custodian) => this.#draft(custodian, original, input)),
    );
    const made = drafts.flatMap((draft) => (draft.status === 'fulfilled' ? [draft.value] : []));
    original.spare?.holders.delete(guard);
    const failure = drafts.find(({ status }) => status === 'rejected');
    if (failure?.status === 'rejected' || made.length === 0) {
      for (const draft of made) await this.#deps.chooser.release(draft, false);
      const { spare } = original;
      if (spare?.holders.size === 0 && made.length === 0) await spare.discard();
      throw failure?.status === 'rejected'
        ? failure.reason
        : new PostsealError('internal', { what: 'a record needs a custodian' });
    }
    return made.map((draft) => this.#prepared(draft));
  }

  async #draft(custodian: CustodianId, original: Original, input: Input): Promise<RecordDraft> {
    const { chooser, numbers } = this.#deps;
    const recordNo = await numbers.next(custodian);
    const recordId = randomUUID() as RecordId;
    const holder = {};
    original.spare?.holders.add(holder);
    // Of its own for each record: two leaves must not tell that their records are of one message.
    const salt = randomBytes(32);
    const commitment = originalCommitment({ salt, digest: original.digest }).toString('hex');
    const choice = {
      ...original,
      ...{ holder, custodian, recordId, recordNo, source: input.source, commitment },
    };
    try {
      const { content, beside } = await chooser.chooseWith(choice, () =>
        this.#sealMetadata(
          custodian,
          recordId,
          groupOf(recordNo),
          saltMetadata(original.metadata, salt),
        ),
      );
      return { ...choice, ...beside, content };
    } catch (error) {
      original.spare?.holders.delete(holder);
      throw error;
    }
  }

  async #sealMetadata(
    custodian: CustodianId,
    recordId: RecordId,
    group: number,
    payload: Buffer,
  ): Promise<{ cell: Uint8Array; cellWrap: Uint8Array }> {
    const key = randomBytes(32);
    const context = { purpose: 'cell', custodianId: custodian, objectId: recordId } as const;
    const slot = { custodian, group, purpose: 'cell', objectId: recordId } as const;
    try {
      const cell = sealCell(key, context, randomBytes(24), payload);
      const [cellWrap] = await this.#deps.keys.wrap([{ ...slot, key }]);
      if (cellWrap === undefined) throw new PostsealError('internal', { what: 'no wrap' });
      return { cell, cellWrap };
    } finally {
      key.fill(0);
    }
  }

  #prepared(draft: RecordDraft): PreparedRecord {
    const { custodian, recordId, recordNo, size, commitment } = draft;
    return {
      commitment,
      custodian,
      recordId,
      recordNo,
      size,
      get contentId() {
        return draft.content.contentId;
      },
      get known() {
        return draft.content.sealed === undefined;
      },
      part: () => part(this.#deps.kind, draft),
      discard: () => this.#deps.chooser.release(draft, false),
    };
  }

  async #dedupKey(): Promise<TagKey> {
    this.#tagKey ??= this.#deps.keys.writeKey('dedup', 'organisation').then(({ version, key }) => {
      const secret = createSecretKey(key);
      key.fill(0);
      return { version, key: secret };
    });
    try {
      return await this.#tagKey;
    } catch (error) {
      this.#tagKey = undefined;
      throw error;
    }
  }
}
