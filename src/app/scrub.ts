// `postseal scrub`: every key that still should open, and the archive's check of every pack frame and
// wrapped key against its row, on the home's files and database.
import { newScrubCounts, scrubArchive } from '../archive/scrub.ts';
import type { Finding, ReportProgress, ScrubReport } from '../cli/offline.ts';
import type { Config } from '../platform/config/config.ts';
import type { Database } from '../platform/postgres/database.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import { scrubKeys } from '../vault/service/scrub-keys.ts';
import { openBodyStore } from './body-stores.ts';
import type { WithDatabase } from './with-database.ts';
import { openScrubKeys, type ScrubKeys } from './scrub-keys.ts';

const progressEvery = 64;

export function scrubHome(
  config: Config,
  withDatabase: WithDatabase,
  onProgress: ReportProgress,
): Promise<ScrubReport> {
  return withDatabase(config, async (database, { url }) => {
    const opened = await openScrubKeys(config, { database, databaseUrl: url });
    const service = typeof opened === 'string' ? undefined : opened;
    const store = await openBodyStore(config);
    const run = new ScrubRun(onProgress);
    try {
      if (typeof opened === 'string') run.found('key organisation', opened);
      if (service !== undefined) await run.keys(database, service);
      await run.archive(database, store, service);
    } finally {
      await store.close();
      await service?.close();
    }
    return run.report();
  });
}

class ScrubRun {
  readonly #findings: Finding[] = [];
  readonly #counts = newScrubCounts();
  readonly #onProgress: ReportProgress;
  #keys = 0;
  #told = 0;

  constructor(onProgress: ReportProgress) {
    this.#onProgress = onProgress;
  }

  found(place: string, text: string): void {
    this.#findings.push({ place, text });
  }

  async keys(database: Database, { keys }: ScrubKeys): Promise<void> {
    const onKey = (): void => void (this.#keys += 1);
    for await (const { custodian, key, code } of scrubKeys({ database, keys }, onKey)) {
      this.found(`key custodian ${custodian} ${key}`, code);
    }
  }

  /** Below a key that does not open no wrap does either: that place is named once, by the key. */
  async archive(database: Database, store: BodyStore, service?: ScrubKeys): Promise<void> {
    const proved = service !== undefined && this.#findings.length === 0;
    const onStep = (): void => this.#progress();
    const deps = { db: database, store, onStep, ...(proved ? { keys: service.keys } : {}) };
    for await (const finding of scrubArchive(deps, this.#counts)) {
      const place = Object.entries(finding.place).map(([name, value]) => `${name} ${value}`);
      this.found(`${finding.kind} ${place.join(' ')}`, finding.what);
    }
  }

  report(): ScrubReport {
    return { ...this.#counts, keys: this.#keys, findings: this.#findings };
  }

  #progress(): void {
    const { frames, wraps, cells, pages } = this.#counts;
    const done = frames + wraps + cells + pages;
    if (done - this.#told > progressEvery) this.#onProgress((this.#told = done), done);
  }
}
