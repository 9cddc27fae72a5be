// Commands about backups: the server makes them; they are read and restored without one.
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

const from = {
  from: {
    type: 'string',
    text: 'folder of the backup; default: backup.directory of the configuration',
    value: 'DIR',
  },
} as const;

const list: Verb = {
  noun: 'backup',
  verb: 'list',
  summary: 'List backups, and until when each reaches; needs the token',
  options: from,
  async run(call) {
    const { offline, out } = call;
    const rows = await offline.listBackups(call.option('from'));
    const columns = [
      'set',
      'kind',
      'createdAt',
      'reaches',
      'tails',
      'octets',
      'ledger',
      'database',
    ];
    out.table(rows, columns);
    return exitCode.done;
  },
};

const verify: Verb = {
  noun: 'backup',
  verb: 'verify',
  summary: 'Check every tag and every digest of a backup; needs the token',
  options: from,
  async run(call) {
    const { offline, out } = call;
    const progress = out.progress('verify');
    const verdict = await offline
      .verifyBackup(call.option('from'), progress.update)
      .finally(progress.stop);
    const { sets, objects, pieces, findings } = verdict;
    out.result(verdict, [
      `checked ${sets} sets, ${objects} objects, ${pieces} pieces`,
      ...findings.map(({ place, what }) => `damaged: ${place}: ${what}`),
      findings.length === 0 ? 'clean' : `${findings.length} findings`,
    ]);
    return findings.length === 0 ? exitCode.done : exitCode.integrity;
  },
};

const drill: Verb = {
  noun: 'drill',
  verb: '',
  summary: 'Restore the backup into a scratch home, compare every record, and measure the time',
  async run(call) {
    const { api, out } = call;
    const progress = out.progress('drill');
    let report: DrillResult | undefined;
    try {
      const request = { method: 'POST', path: '/backups/drill', json: {} } as const;
      for await (const line of api.lines(request)) {
        const step = line as { done?: number; total?: number; result?: DrillResult };
        if (step.result !== undefined) report = step.result;
        else progress.update(step.done ?? 0, step.total ?? 0);
      }
    } finally {
      progress.stop();
    }
    if (report === undefined) return exitCode.failure;
    const { records, different, erasedSince, differences, findings } = report;
    out.result(report, [
      `${records} records compared with the running archive, ${erasedSince} erased since`,
      `restored and proved in ${report.rtoSeconds} s; the backup was ${report.rpoSeconds} s behind`,
      ...differences.map(({ record, what }) => `differs: ${record}: ${what}`),
      ...findings.map(({ place, what }) => `damaged: ${place}: ${what}`),
      different + findings.length === 0
        ? 'passed'
        : `failed: ${different} differences, ${findings.length} findings`,
    ]);
    if (findings.length > 0) return exitCode.integrity;
    return different === 0 ? exitCode.done : exitCode.failure;
  },
};

interface DrillResult {
  readonly records: number;
  readonly different: number;
  readonly erasedSince: number;
  readonly rtoSeconds: number;
  readonly rpoSeconds: number;
  readonly differences: readonly { readonly record: string; readonly what: string }[];
  readonly findings: readonly { readonly place: string; readonly what: string }[];
}

export const backupVerbs: readonly Verb[] = [run, list, verify, drill];
