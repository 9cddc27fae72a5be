// The command line as a program: help from the registry, usage errors, exit codes, where output goes, and
// passwords on a terminal. No server runs here; what needs one is in test/app/server.test.ts.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { cliReference } from '../../src/cli/cli-reference.ts';
import { helpText } from '../../src/cli/command-line.ts';
import { usageOf } from '../../src/cli/verb.ts';
import { verbs } from '../../src/cli/verbs/index.ts';
import { describeWith } from '../harness/needs.ts';
import { program } from '../harness/server.ts';

const home = mkdtempSync(join(tmpdir(), 'postseal-cli-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [program, ...args],
      { env: { ...process.env, POSTSEAL_HOME: home, ...env } },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
    child.stdin?.end();
  });
}

const named = verbs.map((verb) => [verb.noun, verb.verb].join(' ').trim());

describe('the registry', () => {
  test('has every verb of this edition of the contract, once', () => {
    expect(new Set(named).size).toBe(named.length);
    expect(named).toEqual(
      expect.arrayContaining([
        'serve',
        'person login',
        'person logout',
        'person password',
        'person create',
        'person role',
        'person list',
        'person reset',
        'session list',
        'session show',
        'session kick',
        'account create',
        'account list',
        'account show',
        'account disable',
        'account alias',
        'account password',
        'import mbox',
        'import eml',
        'import maildir',
        'approval list',
        'approval grant',
        'approval deny',
        'ledger verify',
        'ledger query',
        'ledger head',
        'ledger proof',
        'key status',
        'scrub',
        'doctor',
        'config check',
        'migrate',
        'version',
      ]),
    );
  });

  test('is what help and the reference page say', () => {
    const [help, page] = [helpText(), cliReference()];
    for (const verb of verbs) {
      expect(help).toContain(`  ${usageOf(verb)}\n      ${verb.summary}`);
      expect(page).toContain(usageOf(verb).replaceAll('|', '\\|'));
    }
    expect(help.match(/^ {2}postseal /gm)).toHaveLength(verbs.length);
  });

  test('no option of a verb hides one that every command takes', () => {
    for (const { options = {} } of verbs) {
      for (const name of ['json', 'home', 'config', 'help'])
        expect(options).not.toHaveProperty(name);
    }
  });
});

describe('help', () => {
  test.concurrent.each([
    [[], 'postseal serve'],
    [['--help'], 'postseal serve'],
    [['account', '--help'], 'postseal account create NAME'],
    [['--help', 'account', 'create'], '--password-stdin'],
    [['ledger', 'query', '--help'], '--outcome'],
    [['-h'], 'postseal serve'],
    [['help'], 'postseal serve'],
    [['help', 'account'], 'postseal account create NAME'],
    [['help', 'account', 'create'], '--password-stdin'],
    [['account', 'create', '-h'], '--password-stdin'],
    [['--home', home, 'help', 'doctor'], 'postseal doctor'],
    [['--home', home, 'account', '-h'], 'postseal account create NAME'],
  ])('%j prints to standard output and ends with 0', async (args, part) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(part);
  });
});

test.each([[['--version']], [['-V']], [['version', '--json']], [['-V', '--json']]])(
  'the version is told by %j',
  async (args) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(process.version);
  },
);

test('a reader that has seen enough is no error', async () => {
  const shell = (command: string): Promise<Ended> =>
    new Promise((resolve) => {
      const words = ['-c', command, process.execPath, program];
      execFile('bash', words, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });
  const { code, stderr } = await shell('"$0" "$1" --help | true; exit ${PIPESTATUS[0]}');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const wrong = await shell('"$0" "$1" frobnicate 2>&1 | true; exit ${PIPESTATUS[0]}');
  expect(wrong.code).toBe(2);
});

describe('usage errors end with 2, say one line and a hint, and print no result', () => {
  test.concurrent.each([
    [['frobnicate']],
    [['account']],
    [['account', 'frobnicate']],
    [['--frobnicate']],
    [['frobnicate', '-h']],
    [['help', 'frobnicate']],
    [['account', 'frobnicate', '--help']],
    [['--frobnicate', '--help']],
    [['import', 'mbox', 'ann@example.com', 'any', '--line-ends', 'weird']],
    [['account', 'create']],
    [['account', 'create', 'ann@example.com']],
    [['account', 'show', 'a', 'b']],
    [['account', 'list', '--frobnicate']],
    [['account', 'list', '--home']],
    [['person', 'create', 'ann']],
    [['person', 'login', 'ann']],
    [['import', 'mbox', 'ann@example.com']],
    [['ledger', 'query', '--limit']],
    [['version', 'please']],
  ])('%j', async (args) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^postseal: error: [a-z].*\npostseal: hint: .*\n$/);
  });
});

describe('without a server', () => {
  test('a command that needs one ends with 1 and says how to start it', async () => {
    const { code, stdout, stderr } = await run(['account', 'list', '--json']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/no server runs[^\n]*\npostseal: hint: .*npm start/);
  });

  test('a home that is not there is not made by a command that only asks', async () => {
    const missing = join(home, 'missing');
    const { code, stderr } = await run(['--home', missing, 'account', 'list']);
    expect(code).toBe(1);
    expect(stderr).toContain('no server runs');
    expect(existsSync(missing)).toBe(false);
  });

  test('a way of line ends that there is not is refused with those that there are', async () => {
    const { stderr } = await run(['import', 'mbox', 'ann', 'any', '--line-ends', 'weird']);
    expect(stderr).toMatch(/auto or keep/);
  });

  test('version and config check answer, also with options before the noun', async () => {
    const [version, config] = await Promise.all([
      run(['--json', '--home', home, 'version']),
      run(['config', 'check', '--json']),
    ]);
    expect(JSON.parse(version.stdout)).toMatchObject({ node: process.version });
    expect(JSON.parse(config.stdout)).toMatchObject({ home });
  });

  test('a configuration that is wrong ends with 78', async () => {
    const file = join(home, 'wrong.json');
    writeFileSync(file, '{"listeners":{"imap":{"port":"many"}}}');
    const { code, stderr } = await run(['config', 'check', '--config', file]);
    expect(code).toBe(78);
    expect(stderr).toContain('/listeners/imap/port');
  });

  test('an import whose results cannot be kept is refused before it begins', async () => {
    const results = join(home, 'no', 'such', 'folder');
    const args = ['import', 'mbox', 'ann@example.com', join(home, 'any'), '--results', results];
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(results);
    expect(stderr).toMatch(/^postseal: error: .*\npostseal: hint: .*\n$/);
  });

  test('doctor finds what is missing and ends with 1', async () => {
    const { code, stdout } = await run(['doctor', '--json']);
    expect(code).toBe(1);
    const checks = JSON.parse(stdout) as { name: string; verdict: string }[];
    expect(checks.find(({ name }) => name === 'database')).toMatchObject({ verdict: 'bad' });
  });

  test.each([
    [{ POSTSEAL_PERSON: 'ann' }, 'POSTSEAL_PASSWORD_FILE'],
    [{ POSTSEAL_PASSWORD_FILE: '/nowhere/password' }, 'POSTSEAL_PERSON'],
    [{ POSTSEAL_PERSON: 'ann', POSTSEAL_PASSWORD_FILE: '/nowhere/password' }, '/nowhere/password'],
  ])('half a person for scripts (%j) is a configuration error', async (env, missing) => {
    const { code, stderr } = await run(['account', 'list'], env);
    expect(code).toBe(78);
    expect(stderr).toContain(missing);
  });
});

describeWith(['python3'], 'a password on a terminal', () => {
  /** Runs the program on a terminal, types each text after its question, and answers what was shown. */
  function onTerminal(args: readonly string[], typed: readonly [string, string][]): Promise<Ended> {
    const script = `
import json, os, pty, sys
argv, typed = json.loads(sys.argv[1])
pid, fd = pty.fork()
if pid == 0:
    os.execv(argv[0], argv)
shown = b''
for question, text in typed:
    while question.encode() not in shown:
        shown += os.read(fd, 4096)
    os.write(fd, text.encode())
    shown = shown.replace(question.encode(), b'<asked>')
try:
    while True:
        piece = os.read(fd, 4096)
        if not piece: break
        shown += piece
except OSError:
    pass
_, status = os.waitpid(pid, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), shown.decode()]))
`;
    return new Promise((resolve, reject) => {
      const given = JSON.stringify([[process.execPath, program, ...args], typed]);
      execFile(
        'python3',
        ['-c', script, given],
        { env: { ...process.env, POSTSEAL_HOME: home } },
        (error, stdout) => {
          if (error !== null) {
            reject(new Error('the terminal could not be driven', { cause: error }));
            return;
          }
          const [code, shown] = JSON.parse(stdout) as [number, string];
          resolve({ code, stdout: shown, stderr: '' });
        },
      );
    });
  }

  test('is asked for once at sign-in, and not shown', async () => {
    const { code, stdout } = await onTerminal(
      ['person', 'login', 'ann'],
      [['password of ann: ', 'my hidden password\r']],
    );
    expect(stdout).toContain('<asked>');
    expect(stdout).not.toContain('hidden');
    expect(stdout).toContain('no server runs');
    expect(code).toBe(1);
  });

  test('is asked for twice when it is new, until both are the same; a typing mistake can be taken back', async () => {
    const { code, stdout } = await onTerminal(
      ['account', 'create', 'ann@example.com'],
      [
        ['new password of ann@example.com: ', 'one hidden\r'],
        ['once more: ', 'two hidden\r'],
        ['new password of ann@example.com: ', 'three hiddem\x7fn\r'],
        ['once more: ', 'wrong\x15three hid\x1b[Dden\r'],
      ],
    );
    expect(stdout).toContain('the two differ');
    expect(stdout).not.toContain('hid');
    expect(stdout).toContain('no server runs');
    expect(code).toBe(1);
  });

  test('says whose it is: of the person who is signed in', async () => {
    const session = join(home, 'session.json');
    writeFileSync(session, '{"person":"sysadmin","token":"none"}\n', { mode: 0o600 });
    const { stdout } = await onTerminal(
      ['person', 'password'],
      [
        ['new password of sysadmin: ', 'hidden and long\r'],
        ['once more: ', 'hidden and long\r'],
      ],
    );
    rmSync(session);
    expect(stdout).toContain('no server runs');
  });

  test('Ctrl-C ends the command by the signal and leaves the terminal as it was', async () => {
    const { code, stdout } = await onTerminal(
      ['person', 'login', 'ann'],
      [['password of ann: ', 'half a pass\x03']],
    );
    expect(code).toBe(-2);
    expect(stdout).not.toContain('half');
  });
});
