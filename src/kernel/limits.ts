// Limits that are part of formats or protocols. Configurable limits live in src/platform/config/.

/** Plaintext bytes in one body chunk (docs/formats/body.md). */
export const bodyChunkBytes = 65_536;
/** Records that share a group key (docs/formats/key-hierarchy.md). */
export const recordsPerGroup = 4_096;
/** Largest canonical event (docs/formats/leaf.md); a tile entry may have 65,535. */
export const eventBytesMax = 16_384;
/** Message uids named by one ledger event; larger commands become parts (architecture §4). */
export const uidsPerEventMax = 10_000;
/** Default and ceiling of a message's size in octets; configurable downwards and upwards. */
export const messageBytesDefault = 52_428_800;
/** Hash partitions of custodian-owned tables, fixed from the first migration. */
export const custodianPartitions = 32;
/** Parts of one message that are stored apart (docs/formats/recipe.md); a writer's choice, readers take more. */
export const messagePartsMax = 16;
