// Full verification of a ledger: rows, hashes, chain, tiles, bundles, checkpoints and numbers of
// processes against each other. Reads only; works beside a running server. Whatever does not fit is
// reported with its place. docs/formats/ledger.md; the independent second program is audit/verifier.
import type { Queryable } from '../../platform/postgres/statement.ts';
import { type JsonValue, parseCanonical } from '../event/canonical-json.ts';
import { inboxRows, truthfulNames } from '../event/inbox-names.ts';
import { type LeafProjection, projectLeaf } from '../event/leaf-projection.ts';
import { noteKeyId } from '../checkpoint/signed-note.ts';
import { openTileFiles } from '../tiles/tile-files.ts';
import { chainHash, chainStart, hashBytes, leafHash } from '../tree/hashes.ts';
import { type NamedCheckpoint, readCheckpoints } from './checkpoint-history.ts';
import { type Finding, Findings } from './finding.ts';
import { NumberLedger } from './number-ledger.ts';
import { checkRollback, readSignerMemory } from './signer-memory.ts';
import { TileCheck } from './tile-check.ts';
import {
  readRows,
  readVerifyHead,
  readWaiting,
  type WaitingEvent,
  type VerifyHead,
  type VerifyRow,
} from './verify.store.ts';

export interface VerifyOptions {
  readonly database: Queryable;
  /** The ledger's folder: HOME/ledger. */
  readonly dir: string;
  /** SubjectPublicKeyInfo of the signing key, obtained out of band where it matters. */
  readonly publicKey: Uint8Array;
  /** Origin that must be found; that of audit_head if left out. */
  readonly origin?: string;
  /** Path of the signer's memory; left out: not compared, as where only the ledger is at hand. */
  readonly signerState?: string;
  /** Gaps in numbers younger than this may be transactions under way; 0 for a stopped server. */
  readonly settleMs?: number;
  /** Leaves further apart than this, in one boot, are noted as silence. */
  readonly silenceMs?: number;
  readonly onProgress?: (rows: number, of: number) => void;
}

export interface LedgerReport {
  readonly verdict: 'clean' | 'tampered';
  readonly origin: string;
  /** Leaves checked. */
  readonly size: number;
  readonly root: string;
  readonly chain: string;
  readonly checkpoint: { readonly size: number; readonly root: string } | undefined;
  readonly checkpoints: number;
  readonly tiles: number;
  readonly bundles: number;
  readonly boots: number;
  readonly findings: readonly Finding[];
  readonly notices: readonly Finding[];
  /** More findings than are listed. */
  readonly truncated: boolean;
}

/** Rows read and hashed without giving way to others. */
const sliceRows = 1024;
/** An anchor is sealed with the head of its own batch; that many leaves can come between at most. */
const recentChains = 64;

export async function verifyLedger(options: VerifyOptions): Promise<LedgerReport> {
  const findings = new Findings();
  const files = openTileFiles(options.dir);
  const early = await readVerifyHead(options.database);
  const origin = options.origin ?? early?.origin ?? '';
  const log = { origin, spki: options.publicKey };
  const checkpoints = await readCheckpoints(options.dir, log, findings);
  const { published } = checkpoints;
  const memory =
    options.signerState === undefined
      ? undefined
      : await readSignerMemory(
          options.signerState,
          { origin, published: published?.size },
          findings,
        );
  // Read after the checkpoint and the memory: the log can only have grown since.
  const head = await readVerifyHead(options.database);
  const scan = new LedgerScan(
    new TileCheck(files, published?.size ?? 0, findings),
    findings,
    [...checkpoints.all, ...(memory === undefined ? [] : [memory])].sort((a, b) => a.size - b.size),
    options,
    origin,
  );
  const size = Number(head?.last ?? -1) + 1;
  await scan.rows(size);
  scan.close(head, origin);
  checkSizes(size, published, memory, findings);
  await scan.tiles.strays();
  await scan.numbersEnd();
  return {
    verdict: findings.list.length === 0 ? 'clean' : 'tampered',
    origin,
    size,
    root: scan.tiles.stack.root().toString('hex'),
    chain: scan.chain.toString('hex'),
    checkpoint:
      published === undefined
        ? undefined
        : { size: published.size, root: published.root.toString('hex') },
    checkpoints: checkpoints.all.length,
    tiles: scan.tiles.tiles,
    bundles: scan.tiles.bundles,
    boots: scan.numbers.boots,
    findings: findings.list,
    notices: findings.notices,
    truncated: findings.truncated,
  };
}

function checkSizes(
  size: number,
  published: NamedCheckpoint | undefined,
  memory: NamedCheckpoint | undefined,
  findings: Findings,
): void {
  checkRollback(memory, size, findings);
  if (published === undefined) {
    if ((memory?.size ?? 0) > 0) findings.add('checkpoint', 'missing');
    else if (size > 0) findings.note('checkpoint', 'none yet');
    return;
  }
  if (published.size > size) {
    findings.add(`audit_log seq ${size}`, 'missing', `the checkpoint has ${published.size} leaves`);
  }
}

class LedgerScan {
  readonly tiles: TileCheck;
  readonly numbers = new NumberLedger();
  chain: Buffer = chainStart;
  readonly #findings: Findings;
  readonly #checkpoints: readonly NamedCheckpoint[];
  readonly #options: VerifyOptions;
  #nextCheckpoint = 0;
  /** Chain by number of leaves, for anchors. */
  readonly #recentChains = new Map<number, Buffer>([[0, chainStart]]);
  readonly #origin: string;
  #newestMs = 0;

  constructor(
    tiles: TileCheck,
    findings: Findings,
    checkpoints: readonly NamedCheckpoint[],
    options: VerifyOptions,
    origin: string,
  ) {
    this.tiles = tiles;
    this.#findings = findings;
    this.#checkpoints = checkpoints;
    this.#options = options;
    this.#origin = origin;
  }

  async rows(size: number): Promise<void> {
    this.#checkRoots();
    while (this.tiles.stack.size < size) {
      const from = this.tiles.stack.size;
      const to = Math.min(size, from + sliceRows);
      const rows = await readRows(this.#options.database, from, to, sliceRows);
      const bySeq = new Map(rows.map((row) => [Number(row.seq), row]));
      for (let seq = from; seq < to; seq += 1) {
        const row = bySeq.get(seq);
        if (row === undefined) await this.#missing(seq);
        else await this.#row(seq, row);
        this.#checkRoots();
      }
      this.#options.onProgress?.(to, size);
    }
  }

  close(head: VerifyHead | undefined, origin: string): void {
    if (head === undefined) return;
    if (head.origin !== origin) this.#findings.add('audit_head', 'origin');
    if (Number(head.size) !== this.tiles.stack.size) {
      this.#findings.add(
        'audit_head',
        'size',
        `${head.size}, the log has ${this.tiles.stack.size}`,
      );
    }
    if (!head.chain.equals(this.chain)) this.#findings.add('audit_head', 'chain');
  }

  async numbersEnd(): Promise<void> {
    const waiting = await readWaiting(this.#options.database);
    for (const [from, to] of inboxRows(waiting)) this.#waiting(waiting.slice(from, to));
    this.numbers.close(this.#newestMs, this.#options.settleMs ?? 60_000, this.#findings);
  }

  /** One inbox row that no sequencer has taken. */
  #waiting(events: readonly WaitingEvent[]): void {
    const leaves = events.flatMap(({ body }) => {
      const leaf = parseCanonical(body);
      return (leaf === undefined ? undefined : projectLeaf(leaf)) ?? [];
    });
    for (const leaf of leaves) this.numbers.waiting(leaf);
    if (leaves.length !== events.length) this.#findings.add('audit_inbox', 'body');
    else if (events[0]?.names !== truthfulNames(leaves)) {
      this.#findings.add('audit_inbox', 'objects');
    }
  }

  /** A row that is gone: what the files have of it lets the rest be checked all the same. */
  async #missing(seq: number): Promise<void> {
    const place = `audit_log seq ${seq}`;
    this.#findings.add(place, 'missing');
    const hash = (await this.tiles.hashOnDisk(seq)) ?? Buffer.alloc(hashBytes);
    this.#advanceChain(seq, hash);
    const body = await this.tiles.bodyOnDisk(seq, hash);
    if (body !== undefined) this.#leaf(seq, undefined, body, place);
    await this.tiles.append(hash, body);
  }

  async #row(seq: number, row: VerifyRow): Promise<void> {
    const place = `audit_log seq ${seq}`;
    const hash = await this.#hashOf(seq, row, place);
    this.#advanceChain(seq, hash);
    if (!row.chain.equals(this.chain)) this.#findings.add(place, 'chain');
    const fits = row.body !== null && leafHash(row.body).equals(hash);
    const body = fits ? row.body : await this.tiles.bodyOnDisk(seq, hash);
    if (body !== undefined) this.#leaf(seq, row, body, place);
    await this.tiles.append(hash, body);
  }

  /** The leaf's hash. Where body and column differ, the tile tells which of them was changed. */
  async #hashOf(seq: number, row: VerifyRow, place: string): Promise<Buffer> {
    const own = row.body === null ? undefined : leafHash(row.body);
    if (own?.equals(row.leaf) === true) return own;
    const disk = await this.tiles.hashOnDisk(seq);
    if (own !== undefined && disk?.equals(own) === true) {
      this.#findings.add(place, 'leaf');
      return own;
    }
    this.#findings.add(
      place,
      'body',
      own === undefined ? 'missing without a prune record' : undefined,
    );
    return row.leaf;
  }

  #leaf(seq: number, row: VerifyRow | undefined, body: Buffer, place: string): void {
    const value = parseCanonical(body);
    const leaf = value === undefined ? undefined : projectLeaf(value);
    if (leaf === undefined) {
      this.#findings.add(place, 'encoding');
      return;
    }
    for (const [column, found, expected] of row === undefined ? [] : columns(row, leaf)) {
      if (found !== expected) this.#findings.add(place, column);
    }
    this.#aboutLog(seq, leaf, value, place);
    const ms = Date.parse(leaf.ts);
    const silence = ms - this.#newestMs;
    if (
      this.#newestMs > 0 &&
      silence > (this.#options.silenceMs ?? 150_000) &&
      this.numbers.knows(leaf)
    ) {
      this.#findings.note(place, 'silence', `${Math.round(silence / 1000)} s before it`);
    }
    this.#newestMs = Math.max(this.#newestMs, ms);
    this.numbers.add(leaf, place, this.#findings);
  }

  /** What the log says of itself: its origin and key in leaf 0, its chain in every anchor. */
  #aboutLog(seq: number, leaf: LeafProjection, value: JsonValue | undefined, place: string): void {
    const { f } = (value ?? {}) as { readonly f?: Readonly<Record<string, JsonValue>> };
    if ((seq === 0) !== (leaf.op === 'log.origin'))
      this.#findings.add(place, 'origin', 'leaf 0 and no other is the origin');
    else if (seq === 0) {
      const key = noteKeyId(this.#options.publicKey).toString('hex');
      if (f?.['origin'] !== this.#origin)
        this.#findings.add(place, 'origin', 'the checkpoint has another');
      if (f?.['key'] !== key) this.#findings.add(place, 'key', `the public key given is ${key}`);
    }
    if (leaf.op !== 'log.anchor') return;
    // An anchor stands in the batch that it was written for, so its chain is a recent one.
    const chain = this.#recentChains.get(Number(f?.['size']));
    if (chain?.toString('hex') !== f?.['chain'])
      this.#findings.add(place, 'anchor', 'it names another chain');
  }

  #advanceChain(seq: number, hash: Buffer): void {
    this.chain = chainHash(this.chain, hash);
    this.#recentChains.set(seq + 1, this.chain);
    this.#recentChains.delete(seq + 1 - recentChains);
  }

  #checkRoots(): void {
    for (;;) {
      const next = this.#checkpoints[this.#nextCheckpoint];
      if (next === undefined || next.size > this.tiles.stack.size) return;
      if (!next.root.equals(this.tiles.stack.root()))
        this.#findings.add(next.place, 'root', `size ${next.size}`);
      this.#nextCheckpoint += 1;
    }
  }
}

function columns(
  row: VerifyRow,
  leaf: LeafProjection,
): readonly (readonly [string, string, string])[] {
  return [
    ['event_id', row.event_id, leaf.id],
    ['at', row.at, leaf.ts],
    ['op', row.op, leaf.op],
    ['cls', row.cls, leaf.cls],
    ['outcome', row.outcome, leaf.outcome],
    ['actor', row.actor, leaf.actor],
    ['objects', row.objects, leaf.objects.join(' ')],
  ];
}
