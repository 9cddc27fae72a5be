// The backup line of the key state: full where a switch of generations asks for it, and between them what changed,
// every few minutes. One writer a home. docs/formats/key-state.md "When".
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Committer } from '../../archive/committer/types.ts';
import { type Horizon, takeKeyState } from '../../archive/key-state/take-rows.store.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { OrganisationId } from '../../kernel/ids.ts';
import { systemActor } from '../../ledger/event/draft.ts';
import type { AlertBus } from '../../platform/alerts/alert-bus.ts';
import type { Log } from '../../platform/log/log.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { listGenerations } from '../../vault/keys/generation-list.store.ts';
import type { KeyClient } from '../../vault/keys/types.ts';
import { type StateFile, type StateKey, writeKeyState } from './key-state-file.ts';
import { deadOrOld } from './key-state-retention.ts';
import { listSetFiles, stampOf, targetFailed } from './target.ts';

export interface KeyStatesDeps {
  readonly target: string;
  readonly everySeconds: number;
  readonly organisation: OrganisationId;
  readonly database: Database;
  readonly keys: Pick<KeyClient, 'generation'>;
  readonly committer: Pick<Committer, 'record'>;
  /** False where an operator backs up the database by means of his own, whose age nobody here knows. */
  readonly knowsDataBackups: boolean;
  /** Puts what is new of the data into the target; undefined where there is no base for it yet. */
  readonly shipData: () => Promise<Date | undefined>;
  /** False while a restore is not signed; always true where there is none. */
  readonly mayWrite?: () => Promise<boolean>;
  readonly now: () => Date;
  readonly log: Log;
  readonly alerts: Pick<AlertBus, 'raise'>;
}

export interface KeyStates {
  /** Writes what is due; undefined where nothing changed. @throws PostsealError `backup.target-failed`, … */
  write(): Promise<StateFile | undefined>;
  /**
   * Everything that needs no generation but the live one is in the target, read back. @throws PostsealError
   * `backup.key-state` and what hinders it; then no generation may be destroyed.
   */
  beforeDestruction(): Promise<void>;
  /** When the oldest data backup that is kept was begun. @throws PostsealError `backup.target-failed`. */
  oldestDataBackup(): Promise<Date | undefined>;
  start(): void;
  /** Writes once more. */
  stop(): Promise<void>;
}

/** The clock of this machine and that of the database may differ by less. */
const clockMarginMs = 86_400_000;
const fullEveryMs = 86_400_000;
const retrySecondsMax = 600;

interface Full {
  readonly file: StateFile;
  readonly horizon: Horizon;
  readonly at: Date;
  readonly key: StateKey;
}

export function openKeyStates(deps: KeyStatesDeps): KeyStates {
  return new KeyStateLine(deps);
}

class KeyStateLine implements KeyStates {
  readonly #deps: KeyStatesDeps;
  /** What changes are counted from; a process that starts begins with a full state. */
  #full: Full | undefined;
  #lastDigest = '';
  #turn: Promise<unknown> = Promise.resolve();
  readonly #stopping = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(deps: KeyStatesDeps) {
    this.#deps = deps;
  }

  write(): Promise<StateFile | undefined> {
    return this.#inTurn(async () => {
      // A trial restore beside the archive that it was made of must not outdate that one's line.
      if (!(await (this.#deps.mayWrite?.() ?? true))) return undefined;
      const full = this.#full;
      if (full === undefined || (await this.#isOver(full))) return this.#writeFull();
      return this.#writeChanges(full);
    });
  }

  async beforeDestruction(): Promise<void> {
    await this.#inTurn(() => this.#writeFull());
    if ((await this.#deps.shipData()) === undefined) {
      throw new PostsealError('backup.key-state', { reason: 'no-base' });
    }
  }

  async oldestDataBackup(): Promise<Date | undefined> {
    const [oldest] = await listSetFiles(this.#deps.target).catch(targetFailed);
    return oldest === undefined ? undefined : stampOf(oldest.path);
  }

  start(): void {
    this.#loop = this.#goOn();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    try {
      await this.write();
    } catch (error) {
      this.#fallBehind(error);
    } finally {
      this.#full?.key.key.fill(0);
    }
  }

  async #goOn(): Promise<void> {
    const { everySeconds } = this.#deps;
    const { signal } = this.#stopping;
    let seconds = everySeconds;
    while (!signal.aborted) {
      try {
        await this.write();
        seconds = everySeconds;
      } catch (error) {
        this.#fallBehind(error);
        seconds = Math.min(seconds * 2, retrySecondsMax);
      }
      // An abort only means that we stop; the loop's condition sees it.
      await sleep(seconds * 1000, undefined, { signal }).catch(() => undefined);
    }
  }

  #fallBehind(error: unknown): void {
    const { log, alerts } = this.#deps;
    log.warn('backup.key-state.failed', { error });
    const cause = error instanceof PostsealError ? error.code : 'internal';
    alerts.raise({ code: 'backup.behind', fields: { cause } });
  }

  /** Another generation lives, or a day has gone by. */
  async #isOver({ file, at }: Full): Promise<boolean> {
    const { database, organisation, now } = this.#deps;
    if (now().getTime() - at.getTime() >= fullEveryMs) return true;
    const all = await listGenerations(database.pool, organisation);
    return all.find(({ state }) => state === 'live')?.generation !== file.generation;
  }

  async #writeFull(): Promise<StateFile> {
    const { database, organisation, target, now } = this.#deps;
    const key = await this.#newKey();
    const rotatedSince = await this.#oldestData();
    const scope = { organisation, after: undefined, rotatedSince };
    const file = await this.#told('full', key.generation, () =>
      takeKeyState(database, scope, async (state) => {
        const at = { target, organisation, key, after: undefined, rotatedSince };
        const written = await writeKeyState(at, state);
        if (written === undefined) throw new PostsealError('internal');
        this.#full?.key.key.fill(0);
        this.#full = { file: written, horizon: state.horizon, at: now(), key };
        return written;
      }),
    );
    this.#lastDigest = '';
    await this.#prune();
    if (file === undefined) throw new PostsealError('internal');
    return file;
  }

  async #writeChanges(full: Full): Promise<StateFile | undefined> {
    const { database, organisation, target } = this.#deps;
    const { horizon: after, key } = full;
    const scope = { organisation, after, rotatedSince: null };
    const seen = { needsFull: false };
    const file = await this.#told('changes', key.generation, () =>
      takeKeyState(database, scope, async (state) => {
        seen.needsFull = state.needsFull;
        if (state.needsFull) return undefined;
        const at = { target, organisation, key, after: full.file.file, rotatedSince: null };
        return writeKeyState(at, state, (digest) => digest === this.#lastDigest);
      }),
    );
    if (seen.needsFull) return this.#writeFull();
    if (file === undefined) return undefined;
    this.#lastDigest = file.digest;
    await this.#prune();
    return file;
  }

  /** What was written, and what failed, is in the ledger. */
  async #told(
    kind: StateFile['kind'],
    generation: number,
    work: () => Promise<StateFile | undefined>,
  ): Promise<StateFile | undefined> {
    const { committer, organisation } = this.#deps;
    const objects = [{ t: 'org', id: organisation }] as const;
    const about = { op: 'key.state-written', actor: systemActor, objects } as const;
    try {
      const file = await work();
      if (file !== undefined) {
        const { file: id, records, digest } = file;
        const fields = { kind, generation, file: id, records, digest };
        await committer.record({ ...about, outcome: 'success', fields });
      }
      return file;
    } catch (error) {
      const code = error instanceof PostsealError ? error.code : 'internal';
      // What made it fail is what must be told, also where no event can be written.
      await committer
        .record({ ...about, outcome: 'failure', fields: { kind, generation, code } })
        .catch((late: unknown) => this.#deps.log.warn('backup.ship.failed', { error: late }));
      throw error;
    }
  }

  async #newKey(): Promise<StateKey> {
    const made = await this.#deps.keys.generation({ do: 'state-key' });
    const { keyId: id, generation } = made;
    const [key, wrap] = [made.key, made.wrap].map((text) => Buffer.from(text, 'base64'));
    if (key === undefined || wrap === undefined) throw new PostsealError('internal');
    return { id, generation, key, wrap };
  }

  /** When the oldest data backup that is kept was begun; null where nothing is known of it. */
  async #oldestData(): Promise<Date | null> {
    if (!this.#deps.knowsDataBackups) return null;
    const at = await this.oldestDataBackup();
    return at === undefined ? null : new Date(at.getTime() - clockMarginMs);
  }

  /** The line's own retention. */
  async #prune(): Promise<void> {
    const { database, organisation, target } = this.#deps;
    const all = await listGenerations(database.pool, organisation);
    const destroyed = all.filter(({ state }) => state === 'destroyed');
    const gone = await deadOrOld(target, new Set(destroyed.map(({ generation }) => generation)));
    for (const path of gone) await rm(path, { force: true }).catch(targetFailed);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work, work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}
