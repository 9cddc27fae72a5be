// Commands of a restore: a home is made of a backup without a server; its report is signed in the running one.
import { exitCode, PostsealError } from '../../kernel/errors.ts';
import type { Verb } from '../verb.ts';

/** RFC 3339 with its zone: an instant without one is another on every machine. */
const instantPattern = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i;

/** @throws PostsealError `usage`. */
function instantOf(text: string): Date {
  const instant = new Date(text);
  if (instantPattern.test(text) && !Number.isNaN(instant.getTime())) return instant;
  throw new PostsealError('usage', { to: text, wanted: 'an instant such as 2026-01-31T12:00:00Z' });
}

const restore: Verb = {
  noun: 'restore',
  verb: '',
  summary: 'Make a home (--home) of a backup; only keys/ and configuration may be in it before',
  options: {
    from: { type: 'string', text: 'folder of the backup', value: 'DIR', required: true },
    to: {
      type: 'string',
      text: 'the archive as it was at this instant (RFC 3339); default: the newest there is',
      value: 'TIME',
    },
  },
  async run(call) {
    const { offline, out } = call;
    const time = call.option('to');
    const to = time === undefined ? undefined : instantOf(time);
    const progress = out.progress('restore');
    const done = await offline
      .restore(call.option('from') ?? '', to, progress.update)
      .finally(progress.stop);
    if (done.database === 'outside') {
      out.note('the database is not in this backup: restore it with its own tool before a start');
    }
    const lost = Object.entries(done.lostByOp).map(([op, n]) => `${op} ${n}`);
    out.result(done, [
      `restored ${done.files} files, ${done.bytes} octets; ${done.contents} contents are whole`,
      `reaches until ${done.coveredUntil}; ledger of ${done.leaves} leaves, root ${done.root}`,
      ...(done.ledgerTo > done.ledgerFrom
        ? [`ledger rolled forward from ${done.ledgerFrom} to ${done.ledgerTo} leaves`]
        : []),
      ...(lost.length > 0 ? [`not in the restored database: ${lost.join(', ')}`] : []),
      ...(done.erasedAgain.length > 0 ? [`erased again: ${done.erasedAgain.length} records`] : []),
      ...done.findings.map(({ place, what }) => `damaged: ${place}: ${what}`),
      done.findings.length === 0 ? 'clean' : `${done.findings.length} findings`,
    ]);
    return done.findings.length === 0 ? exitCode.done : exitCode.integrity;
  },
};

const report: Verb = {
  noun: 'restore',
  verb: 'report',
  summary: 'Show what the newest restore of this archive brought back, and whether it is signed',
  async run({ api, out }) {
    const found = await api.call({ method: 'GET', path: '/restore' });
    const { id, restoredAt, signedAt, report: about } = found as Record<string, unknown>;
    const facts = Object.entries(about as Readonly<Record<string, unknown>>);
    out.result(found, [
      `restore ${textOf(id)} at ${textOf(restoredAt)}`,
      ...facts.map(([name, value]) => `${name}: ${textOf(value)}`),
      signedAt === null ? 'not signed: this archive is read-only' : `signed ${textOf(signedAt)}`,
    ]);
    return exitCode.done;
  },
};

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value);

const sign: Verb = {
  noun: 'restore',
  verb: 'sign',
  summary: 'Sign the restore report: one person proposes, another one opens the archive by it',
  async run({ api, out }) {
    const done = await api.call({ method: 'POST', path: '/restore/signature' });
    const { state, approval } = done as Record<string, string>;
    out.result(done, [
      state === 'signed'
        ? 'signed by two: this archive takes mail and changes again'
        : `proposed (approval ${approval}): another person signs with the same command`,
    ]);
    return exitCode.done;
  },
};

export const restoreVerbs: readonly Verb[] = [restore, report, sign];
