// Commands about the server and its home: serve, doctor, scrub, config, migrate, version, demo.
import { exitCode, type ExitCode } from '../../kernel/errors.ts';
import type { Verb } from '../verb.ts';

const serve: Verb = {
  noun: 'serve',
  verb: '',
  summary: 'Run the server until Ctrl-C',
  run: async ({ offline }) => (await offline.serve()) as ExitCode,
};

const demo: Verb = {
  noun: 'demo',
  verb: 'run',
  summary: 'Play the whole story on a scratch home and print each step',
  run: async ({ offline }) => (await offline.demo()) as ExitCode,
};

const version: Verb = {
  noun: 'version',
  verb: '',
  summary: 'Print the version of Postseal, Node and the formats',
  async run({ offline, out }) {
    const versions = await offline.version();
    out.result(
      versions,
      Object.entries(versions).map(([name, value]) => `${name} ${value}`),
    );
    return exitCode.done;
  },
};

const configCheck: Verb = {
  noun: 'config',
  verb: 'check',
  summary: 'Check the configuration and print what is in effect, secrets redacted',
  async run({ offline, out }) {
    const effective = await offline.effectiveConfig();
    out.result(effective, [JSON.stringify(effective, null, 2)]);
    return exitCode.done;
  },
};

const migrate: Verb = {
  noun: 'migrate',
  verb: '',
  summary: 'Bring the database schema to this version',
  async run({ offline, out }) {
    const { applied } = await offline.migrate();
    out.result({ applied }, applied.length === 0 ? ['schema is up to date'] : applied);
    return exitCode.done;
  },
};

const scrub: Verb = {
  noun: 'scrub',
  verb: '',
  summary: 'Check every stored byte and every wrapped key against its record; opens no content',
  async run({ offline, out }) {
    const progress = out.progress('scrub');
    const report = await offline.scrub(progress.update).finally(progress.stop);
    const { frames, orphans, contents, wraps, cells, pages, keys, findings } = report;
    out.result(report, [
      `checked ${frames} frames (${orphans} orphans), ${contents} contents, ${wraps} wrapped keys, ${cells} metadata cells, ${pages} metadata pages, ${keys} keys`,
      ...findings.map(({ place, text }) => `damaged: ${place}: ${text}`),
      findings.length === 0 ? 'clean' : `${findings.length} findings`,
    ]);
    return findings.length === 0 ? exitCode.done : exitCode.integrity;
  },
};

const doctor: Verb = {
  noun: 'doctor',
  verb: '',
  summary:
    'Look at home, database, token, signer, certificates, disk and clock, and say what to do',
  async run({ offline, out }) {
    const checks = await offline.doctor();
    out.result(
      checks,
      checks.flatMap(({ name, verdict, text, hint }) => [
        `${verdict.padEnd(8)}${name}: ${text}`,
        ...(hint === undefined ? [] : [`        -> ${hint}`]),
      ]),
    );
    return checks.some(({ verdict }) => verdict === 'bad') ? exitCode.failure : exitCode.done;
  },
};

export const serverVerbs: readonly Verb[] = [
  serve,
  demo,
  doctor,
  scrub,
  configCheck,
  migrate,
  version,
];
