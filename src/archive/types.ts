// The archive's face to mailbox, search and intake: what goes in, what was prepared, what comes out.
import type { MessageStructure } from '../mime/part.ts';
import type { PostsealError } from '../kernel/errors.ts';
import type { ContentId, CustodianId, EventId, RecordId, RecordNo } from '../kernel/ids.ts';
import type { EventDraft } from '../ledger/event/draft.ts';
import type { OpenGrant } from '../vault/keys/types.ts';
import type { Part } from './committer/types.ts';
import type { ErasureTarget } from './erasure-target.ts';

export type RecordSource = 'lmtp' | 'append' | 'import' | 'journal';
export type CustodianKind = 'person' | 'function' | 'unassigned';

/** SMTP envelope of a delivery; personal data, so it is kept only inside the sealed metadata cell. */
export interface Envelope {
  readonly from: string;
  readonly to: readonly string[];
}

export interface IngestInput {
  readonly custodian: CustodianId;
  readonly source: RecordSource;
  /** MUST stay unchanged until the record is committed or discarded. */
  readonly bytes: Uint8Array | AsyncIterable<Uint8Array>;
  /** Octets, when known before the bytes come (APPEND literal, SMTP SIZE). */
  readonly size?: number;
  readonly envelope?: Envelope;
}

export interface RecordRef {
  readonly custodian: CustodianId;
  readonly recordId: RecordId;
  readonly recordNo: RecordNo;
}

/** A message that is sealed and wrapped but not committed yet. */
export interface PreparedRecord extends RecordRef {
  /** May change until the commit: the part's output has the final one. */
  readonly contentId: ContentId;
  /** Octets of the original. */
  readonly size: number;
  /** True when the bytes were already stored. */
  readonly known: boolean;
  /** Member `original` of its event: 64 hex digits that commit to the bytes and show nothing of them. */
  readonly commitment: string;
  /** The part that stores it; goes into ONE operation, first among the parts that use the record. */
  part(): Part<StoredRecord>;
  /** Gives the sealed bytes up. Harmless after a commit has ended, forbidden while one is under way. */
  discard(): Promise<void>;
}

export interface StoredRecord extends RecordRef {
  readonly contentId: ContentId;
  readonly size: number;
}

export interface RecordMetadata {
  /**
   * Raw lines of the usual header fields in their order, each with its CRLF or LF as received; one
   * character an octet.
   */
  readonly headerLines: string;
  /** The header is over a megabyte: `headerLines` lacks what comes later, read the original. */
  readonly headerTruncated: boolean;
  readonly structure: MessageStructure;
  /** First words of the text, for lists; may be empty. */
  readonly preview: string;
  /** Octets of the original. */
  readonly size: number;
  readonly envelope?: Envelope;
  /** What the bytes are; undefined for a record that was archived before its metadata said so. */
  readonly original?: OriginalProof;
}

/** Which bytes a record stands for (docs/formats/metadata.md "Original"). */
export interface OriginalProof {
  /** SHA-256 of the original, 32 bytes. */
  readonly digest: Uint8Array;
  /** 32 random bytes of this record alone; HMAC-SHA256(salt, digest) stands in its ledger event. */
  readonly salt: Uint8Array;
}

export interface BodyReader {
  /** Octets of the original. */
  readonly size: number;
  /** Octets `from` (included) to `to` (excluded), cut at the size. */
  read(from: number, to: number): Promise<Buffer>;
  stream(from?: number, to?: number): AsyncIterable<Buffer>;
  /** Forgets the key; call it when the command is over. */
  close(): void;
}

/** Who has a record destroyed, and why. */
export type ShredCause = Pick<EventDraft, 'actor' | 'why' | 'fields'>;

export interface ShredResult {
  readonly event: EventId;
  /** False while another record of this custodian still holds the content. */
  readonly wrapDestroyed: boolean;
  /** False while another custodian still holds it. */
  readonly contentDestroyed: boolean;
}

export interface Archive {
  /** Everything before the transaction: parse, dedup tag, seal, pack, wraps, cell. */
  prepare(input: IngestInput): Promise<PreparedRecord>;
  /** One message for many custodians: parsed, tagged, sealed and written once. All or none. */
  prepareFor(
    custodians: readonly CustodianId[],
    input: Omit<IngestInput, 'custodian'>,
  ): Promise<PreparedRecord[]>;
  /** Answers in the order of the records; a record that is not there is `key.destroyed`. */
  openMetadata(
    grant: OpenGrant,
    records: readonly RecordRef[],
  ): Promise<(RecordMetadata | PostsealError)[]>;
  openBody(grant: OpenGrant, record: RecordRef): Promise<BodyReader>;
  /** One key request for all of them. */
  openBodies(
    grant: OpenGrant,
    records: readonly RecordRef[],
  ): Promise<(BodyReader | PostsealError)[]>;
  /**
   * Destroys the keys of one record of one custodian and takes it out of every room in the transaction
   * of its event, `record.shredded`.
   * @throws PostsealError `key.destroyed`; `erasure.incomplete` when a table still holds rows of it.
   */
  shred(record: RecordRef, cause: ShredCause): Promise<ShredResult>;
  /** The archive's own tables, for the list of all targets. */
  readonly erasure: ErasureTarget;
  ensureCustodian(id: CustodianId, kind: CustodianKind): Promise<void>;
  /** Forgets every cached key and opened cell. */
  flushCaches(): void;
  /**
   * Calls `forget` within every flush, whatever caused it: who keeps something that was opened must let go
   * of it together with the keys. Returns the way out.
   */
  onFlush(forget: () => void): () => void;
  close(): void;
}
