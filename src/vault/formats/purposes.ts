// Registry of what a wrapped key or a sealed cell is for (docs/formats/wrap.md, "Purposes").
// Codes are part of formats: never renumber one, never reuse one, append only.

export const purposes = {
  /** A custodian key under a key-encryption key (where the token itself does not wrap it). */
  'custodian-key': 1,
  /** A group key under its custodian key. */
  'group-key': 2,
  /** The data key of one content under a group key. */
  dek: 3,
  /** The key of one record's metadata cell. */
  cell: 4,
  /** The key of one metadata page. */
  page: 5,
  /** The key of an account's folder names and keywords, under the custodian key. */
  names: 6,
  /** The key of a subject's ledger side records. */
  'side-record': 7,
  /** The key of a search segment. */
  segment: 8,
  /** The key under which deduplication tags are made; owned by the organisation. */
  dedup: 9,
  /** The key of backup files, under the backup KEK (docs/formats/backup.md). */
  backup: 10,
  /** The key of one file of the key state, under a generation's KEK (docs/formats/key-state.md). */
  'key-state': 11,
  /** The data key of a part that messages share (docs/formats/recipe.md), under a group key. */
  part: 12,
} as const;

export type Purpose = keyof typeof purposes;
export type PurposeCode = (typeof purposes)[Purpose];
