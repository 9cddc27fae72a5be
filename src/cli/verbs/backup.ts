// The command about backups, which the server makes; none reads them yet.
import { exitCode } from '../../kernel/errors.ts';
import type { Verb } from '../verb.ts';

const run: Verb = {
  noun: 'backup',
  verb: 'run',
  summary: 'Make a backup now; what is new goes into it by itself every few seconds',
  options: {
    full: { type: 'boolean', text: 'copy the whole database, not only what changed' },
  },
  async run(call) {
    const { api, out } = call;
    const progress = out.progress('backup');
    let report: Record<string, string | number> = {};
    const kind = call.flag('full') ? 'full' : 'incremental';
    try {
      const request = { method: 'POST', path: '/backups', json: { kind } } as const;
      for await (const line of api.lines(request)) {
        const step = line as { done?: number; total?: number; result?: typeof report };
        if (step.result !== undefined) report = step.result;
        else progress.update(step.done ?? 0, step.total ?? 0);
      }
    } finally {
      progress.stop();
    }
    if (report['database'] === 'outside') {
      out.note(
        'the database of DATABASE_URL is not in this backup: its operator must back it up (pgBackRest); packs and ledger are in it',
      );
    }
    const { set, kind: made, files, readBytes, storedBytes, coveredUntil } = report;
    out.result(report, [
      `set ${set} (${made})`,
      `${files} files, ${readBytes} octets read, ${storedBytes} stored`,
      `reaches until ${coveredUntil}`,
    ]);
    return exitCode.done;
  },
};

export const backupVerbs: readonly Verb[] = [run];
