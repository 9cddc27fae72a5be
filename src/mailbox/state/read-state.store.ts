// Reads a mailbox into memory: from its snapshot, from its rows, and what changed after a modseq. Every
// answer is one statement, so it is one moment of the database.
import type { CustodianId, MailboxId } from '../../kernel/ids.ts';
import { statement, type Queryable } from '../../platform/postgres/statement.ts';
import { Generation } from './generation.ts';
import { parseNumberList } from './number-list.ts';
import { decodeSnapshotPart, messagesInPart } from './snapshot-format.ts';
import { TimeSlice } from './time-slice.ts';

export interface MailboxKey {
  readonly custodian: CustodianId;
  readonly mailbox: MailboxId;
}

/** Messages up to `modseq`, and maybe some changes after it, which the log will bring again. */
export interface BaseState {
  readonly messages: Generation;
  readonly modseq: number;
  /** Modseq of the stored snapshot, 0 for none. */
  readonly snapshotModseq: number;
}

/** Uids that are \Recent to one session: `from` included, `to` excluded. */
export interface RecentRange {
  readonly from: number;
  readonly to: number;
}

export interface UidSpan {
  readonly first: number;
  readonly last: number;
}

export interface Catchup {
  readonly uidValidity: number;
  readonly uidNext: number;
  readonly highestModseq: number;
  readonly gone: boolean;
  /** Keyed hash of the mailbox's name, hex; see NameSealer. */
  readonly nameTag: string;
  /** First uid that no read-write session was shown as \Recent. */
  readonly recentFrom: number;
  /** What this very read took of \Recent, if it was to take it and there was any. */
  readonly claimed: RecentRange | undefined;
  /** The logs know everything after this modseq; a reader behind it must load anew. */
  readonly floor: number;
  /** New and changed messages in order of modseq. */
  readonly changes: readonly {
    readonly modseq: number;
    readonly uids: readonly number[];
    readonly flags: readonly number[];
  }[];
  /** Sorted, may overlap. */
  readonly vanished: readonly UidSpan[];
}

interface CatchupRow {
  readonly uidvalidity: string;
  readonly uidnext: string;
  readonly highest_modseq: string;
  readonly gone: boolean;
  readonly name_tag: string;
  readonly recent_from: string;
  readonly claimed_from: string | null;
  readonly floor: string;
  readonly modseq: string | null;
  readonly uid_from: string;
  readonly uid_to: string | null;
  readonly uids: string | null;
  readonly flags: string | null;
}

function catchupSql(claimed: string): string {
  return `SELECT b.uidvalidity, b.uidnext, b.highest_modseq, b.deleted_at IS NOT NULL AS gone,
     encode(b.name_tag, 'hex') AS name_tag, w.recent_from, ${claimed} AS claimed_from,
     greatest(w.log_floor, w.vanished_floor) AS floor, c.modseq, c.uid_from, c.uid_to, c.uids, c.flags
   FROM mailbox b JOIN mailbox_memory w ON w.custodian_id = b.custodian_id AND w.mailbox_id = b.mailbox_id
   LEFT JOIN LATERAL (
     SELECT l.modseq, l.part, l.uid_from, NULL::bigint AS uid_to, l.uids::text AS uids, l.flags::text AS flags
     FROM change_log l WHERE l.custodian_id = $1 AND l.mailbox_id = $2 AND l.modseq > $3
     UNION ALL
     SELECT v.modseq, 0, v.uid_from, v.uid_to, NULL, NULL
     FROM vanished v WHERE v.custodian_id = $1 AND v.mailbox_id = $2 AND v.modseq > $3
   ) c ON true
   WHERE b.custodian_id = $1 AND b.mailbox_id = $2
   ORDER BY c.modseq, c.part`;
}

const catchup = statement<CatchupRow>('mailbox.catch-up', catchupSql('NULL::bigint'));

// Takes what is \Recent up to the very uidnext that it answers. Of two at once the second waits for the
// row, sees the watermark of the first and takes nothing.
const catchupAndClaim = statement<CatchupRow>(
  'mailbox.catch-up-and-claim',
  `WITH o AS MATERIALIZED (
    SELECT w.recent_from, b.uidnext FROM mailbox b
      JOIN mailbox_memory w ON w.custodian_id = b.custodian_id AND w.mailbox_id = b.mailbox_id
    WHERE b.custodian_id = $1 AND b.mailbox_id = $2 AND b.deleted_at IS NULL AND w.recent_from < b.uidnext
      AND (b.name_tag = $4 OR $4 IS NULL)
    FOR UPDATE OF w
  ), claimed AS (
    UPDATE mailbox_memory w SET recent_from = o.uidnext FROM o
    WHERE w.custodian_id = $1 AND w.mailbox_id = $2 RETURNING o.recent_from
  ) ${catchupSql('(SELECT recent_from FROM claimed)')}`,
);

/** Who takes \Recent, under the name by which the mailbox was asked for; undefined: any. */
export interface RecentClaim {
  readonly nameTag: string | undefined;
}

/** What happened after `modseq`; undefined if there is no such mailbox. */
export async function readCatchup(
  db: Queryable,
  { custodian, mailbox }: MailboxKey,
  modseq: number,
  claim?: RecentClaim,
): Promise<Catchup | undefined> {
  const values = [custodian, mailbox, modseq];
  const rows =
    claim === undefined
      ? await catchup.rows(db, values)
      : await catchupAndClaim.rows(db, [...values, tagBytes(claim.nameTag)]);
  const [head] = rows;
  if (head === undefined) return undefined;
  const slice = new TimeSlice();
  const changes: { modseq: number; uids: number[]; flags: number[] }[] = [];
  const vanished: UidSpan[] = [];
  for (const row of rows) {
    if (row.modseq === null) continue;
    if (row.flags === null) {
      vanished.push({ first: Number(row.uid_from), last: Number(row.uid_to) });
      continue;
    }
    const flags = parseNumberList(row.flags);
    const from = Number(row.uid_from);
    const uids = row.uids === null ? flags.map((_, i) => from + i) : parseNumberList(row.uids);
    changes.push({ modseq: Number(row.modseq), uids, flags });
    await slice.rest();
  }
  return {
    uidValidity: Number(head.uidvalidity),
    uidNext: Number(head.uidnext),
    highestModseq: Number(head.highest_modseq),
    gone: head.gone,
    nameTag: head.name_tag,
    recentFrom: Number(head.recent_from),
    claimed:
      head.claimed_from === null
        ? undefined
        : { from: Number(head.claimed_from), to: Number(head.uidnext) },
    floor: Number(head.floor),
    changes,
    vanished: vanished.sort((a, b) => a.first - b.first),
  };
}

function tagBytes(hex: string | undefined): Buffer | null {
  return hex === undefined ? null : Buffer.from(hex, 'hex');
}

const snapshotParts = statement<{ modseq: string; data: Buffer }>(
  'mailbox.snapshot-read',
  `SELECT s.modseq, s.data FROM mailbox_memory w
   JOIN mailbox_snapshot s ON s.custodian_id = w.custodian_id AND s.mailbox_id = w.mailbox_id AND s.modseq = w.snapshot_modseq
   WHERE w.custodian_id = $1 AND w.mailbox_id = $2 ORDER BY s.part`,
);

/** Undefined when there is none or its bytes are not right. */
export async function readSnapshot(
  db: Queryable,
  { custodian, mailbox }: MailboxKey,
): Promise<BaseState | undefined> {
  const parts = await snapshotParts.rows(db, [custodian, mailbox]);
  const [first] = parts;
  if (first === undefined) return undefined;
  const slice = new TimeSlice();
  const messages = new Generation();
  messages.reserve(parts.reduce((sum, { data }) => sum + messagesInPart(data), 0));
  for (const { data } of parts) {
    if (!decodeSnapshotPart(data, messages)) return undefined;
    await slice.rest();
  }
  const modseq = Number(first.modseq);
  return { messages, modseq, snapshotModseq: modseq };
}

const head = statement<{ highest_modseq: string; messages: string }>(
  'mailbox.head',
  'SELECT highest_modseq, messages FROM mailbox WHERE custodian_id = $1 AND mailbox_id = $2',
);

const page = statement<{ uids: string | null; flags: string; modseqs: string }>(
  'mailbox.page',
  `SELECT array_agg(uid ORDER BY uid)::text AS uids, array_agg(flags ORDER BY uid)::text AS flags, array_agg(modseq ORDER BY uid)::text AS modseqs
   FROM (SELECT uid, flags, modseq FROM message WHERE custodian_id = $1 AND mailbox_id = $2 AND uid > $3 ORDER BY uid LIMIT $4) p`,
);

const pageMessages = 16_384;

/** The slow way, and the one that is always right; undefined if there is no such mailbox. */
export async function readRows(db: Queryable, key: MailboxKey): Promise<BaseState | undefined> {
  const row = await head.first(db, [key.custodian, key.mailbox]);
  if (row === undefined) return undefined;
  const messages = new Generation(Number(row.messages));
  const slice = new TimeSlice();
  for (let more = true; more;) {
    const values = [key.custodian, key.mailbox, messages.lastUid, pageMessages];
    const found = await page.first(db, values);
    const uids = parseNumberList(found?.uids ?? '{}');
    more = uids.length === pageMessages;
    if (found === undefined || uids.length === 0) break;
    const flags = parseNumberList(found.flags);
    const modseqs = parseNumberList(found.modseqs);
    for (const [i, uid] of uids.entries()) messages.push(uid, flags[i] ?? 0, modseqs[i] ?? 0);
    await slice.rest();
  }
  return { messages, modseq: Number(row.highest_modseq), snapshotModseq: 0 };
}

const keywordRows = statement<{ bit: number; tag: string; cell: Buffer }>(
  'mailbox.keyword-list',
  `SELECT bit, encode(name_tag, 'hex') AS tag, name_cell AS cell FROM keyword WHERE custodian_id = $1 AND mailbox_id = $2 ORDER BY bit`,
);

export interface SealedKeyword {
  readonly bit: number;
  /** Hex. */
  readonly tag: string;
  readonly cell: Buffer;
}

/** Ascending by bit. */
export function readKeywords(db: Queryable, { custodian, mailbox }: MailboxKey) {
  return keywordRows.rows(db, [custodian, mailbox]) as Promise<readonly SealedKeyword[]>;
}
