// `postseal scrub`: the archive's check of every pack frame and wrapped key against its row, on the
// home's files and database.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { newScrubCounts, scrubArchive } from '../archive/scrub.ts';
import type { Finding, ReportProgress, ScrubReport } from '../cli/offline.ts';
import type { Config } from '../platform/config/config.ts';
import { createPackStore } from '../vault/packs/pack-store.ts';
import type { WithDatabase } from './offline.ts';

const progressEvery = 64;

export function scrubHome(
  config: Config,
  withDatabase: WithDatabase,
  onProgress: ReportProgress,
): Promise<ScrubReport> {
  return withDatabase(config, async (database) => {
    const store = createPackStore({ root: join(config.home, 'packs'), random: randomBytes });
    const counts = newScrubCounts();
    const findings: Finding[] = [];
    const done = (): number => counts.frames + counts.wraps + counts.cells;
    let told = 0;
    try {
      for await (const finding of scrubArchive({ db: database, store }, counts)) {
        const place = Object.entries(finding.place).map(([name, value]) => `${name} ${value}`);
        findings.push({ place: `${finding.kind} ${place.join(' ')}`, text: finding.what });
        if (done() - told > progressEvery) onProgress((told = done()), done());
      }
    } finally {
      await store.close();
    }
    const { frames, contents, wraps, cells, orphans } = counts;
    return { frames, contents, wraps, cells, orphans, findings };
  });
}
