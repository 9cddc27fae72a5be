// Commands about the ledger: verify without a server; query, head and proof through it.
import { exitCode } from '../../kernel/errors.ts';
import type { Verb } from '../verb.ts';

const verify: Verb = {
  noun: 'ledger',
  verb: 'verify',
  summary: 'Check every row, leaf, tile, bundle and checkpoint of the ledger',
  async run({ offline, out }) {
    const progress = out.progress('verify');
    const report = await offline.verifyLedger(progress.update).finally(progress.stop);
    out.result(report, [
      `origin ${report.origin}`,
      `size ${report.size}`,
      `root ${report.root}`,
      ...report.findings.map(({ place, text }) => `tampered: ${place}: ${text}`),
      report.findings.length === 0 ? 'clean' : `${report.findings.length} findings`,
    ]);
    return report.findings.length === 0 ? exitCode.done : exitCode.integrity;
  },
};

const query: Verb = {
  noun: 'ledger',
  verb: 'query',
  summary: 'List events, newest last',
  options: {
    op: { type: 'string', text: 'only this event, for example mail.received', value: 'EVENT' },
    outcome: { type: 'string', text: 'success, failure or denied', value: 'OUTCOME' },
    object: {
      type: 'string',
      text: 'only events that name this object, for example ses:ID',
      value: 'OBJECT',
    },
    from: { type: 'string', text: 'from this instant (RFC 3339)', value: 'TIME' },
    to: { type: 'string', text: 'before this instant (RFC 3339)', value: 'TIME' },
    after: { type: 'string', text: 'continue after this number', value: 'SEQ' },
    limit: { type: 'string', text: 'at most this many (default 100)', value: 'N' },
  },
  async run(call) {
    const names = ['op', 'outcome', 'object', 'from', 'to', 'after', 'limit'];
    const query = Object.fromEntries(names.map((name) => [name, call.option(name)]));
    const rows = await call.api.call({ method: 'GET', path: '/ledger/events', query });
    call.out.table(rows as object[], ['seq', 'at', 'op', 'outcome', 'role', 'objects']);
    return exitCode.done;
  },
};

const head: Verb = {
  noun: 'ledger',
  verb: 'head',
  summary: 'Print the newest signed checkpoint',
  async run({ api, out }) {
    const answer = await api.call({ method: 'GET', path: '/ledger/checkpoint' });
    const { checkpoint } = answer as { checkpoint: string };
    out.result(answer, [checkpoint.trimEnd()]);
    return exitCode.done;
  },
};

const proof: Verb = {
  noun: 'ledger',
  verb: 'proof',
  summary: 'Print the .tlog-proof of one event',
  arguments: [{ name: 'SEQ', text: 'number of the event' }],
  async run(call) {
    const path = `/ledger/events/${encodeURIComponent(call.args[0] ?? '')}/proof`;
    const answer = await call.api.call({ method: 'GET', path });
    call.out.result(answer, [(answer as { proof: string }).proof.trimEnd()]);
    return exitCode.done;
  },
};

export const ledgerVerbs: readonly Verb[] = [verify, query, head, proof];
