// What a target of backups holds, opened with the token: the wraps of a key state, and the WAL.
import { PostsealError } from '../../src/kernel/errors.ts';
import type { OrganisationId } from '../../src/kernel/ids.ts';
import { createBackupKeys } from '../../src/operate/backup/backup-keys.ts';
import { readKeyState } from '../../src/operate/backup/key-state-file.ts';
import { readSets } from '../../src/operate/backup/read-sets.ts';
import { createFileKeys, SealedReader } from '../../src/operate/backup/sealed-reader.ts';
import { listKeyFiles, objectPath } from '../../src/operate/backup/target.ts';
import type { KeyStateHead } from '../../src/vault/formats/key-state-file.ts';
import type { KeyStateRecord } from '../../src/vault/formats/key-state-records.ts';
import type { KeyStore } from '../../src/vault/keys/key-store.ts';
import type { KeyWrap } from './every-key.ts';

export interface TargetPlace {
  readonly target: string;
  readonly store: KeyStore;
  readonly organisation: OrganisationId;
}

export interface StateWraps {
  readonly keys: KeyWrap[];
  readonly groups: KeyWrap[];
  /** By content. */
  readonly wraps: Map<string, Buffer>;
  /** Files whose key generation is destroyed. */
  dead: number;
}

/** What the key states that open say of the custodian. */
export async function stateWraps(
  { target, store, organisation }: TargetPlace,
  custodian: string,
): Promise<StateWraps> {
  const own = createBackupKeys(store, organisation);
  const found: StateWraps = { keys: [], groups: [], wraps: new Map(), dead: 0 };
  for (const { path } of await listKeyFiles(target)) {
    try {
      const open = (head: KeyStateHead): Promise<Uint8Array> => own.openState(head);
      for await (const record of readKeyState(path, open)) add(found, custodian, record);
    } catch (error) {
      if (!(error instanceof PostsealError && error.code === 'key.destroyed')) throw error;
      found.dead += 1;
    }
  }
  return found;
}

function add(found: StateWraps, custodian: string, { kind, row }: KeyStateRecord): void {
  if (!('custodian' in row) || row.custodian !== custodian || !('wrap' in row)) return;
  if (row.wrap === null) return;
  const wrap = Buffer.from(row.wrap);
  if (kind === 'custodianKey') found.keys.push({ ...row, id: row.keyId, wrap });
  else if (kind === 'groupKey') {
    found.groups.push({ ...row, id: row.keyId, generation: 0, wrap });
  } else if (kind === 'contentWrap') found.wraps.set(row.content, wrap);
}

/** Every WAL segment of a backup, one behind the other. */
export async function walOf({ target, store, organisation }: TargetPlace): Promise<Buffer> {
  const fileKeys = createFileKeys({
    ...createBackupKeys(store, organisation),
    close: () => Promise.resolve(),
  });
  const sets = await readSets(target, fileKeys, (damage) => {
    throw new Error(damage.what);
  });
  const parts: Uint8Array[] = [];
  const seen = new Set<string>();
  for (const { area, object, at, length } of sets.flatMap(({ pieces }) => pieces)) {
    const name = `${object} ${String(at)}`;
    if (area !== 'wal' || seen.has(name)) continue;
    seen.add(name);
    const reader = await SealedReader.open(objectPath(target, object), 'object', fileKeys);
    for await (const bytes of reader.read(at, at + length)) parts.push(bytes);
    await reader.close();
  }
  await fileKeys.close();
  return Buffer.concat(parts);
}
