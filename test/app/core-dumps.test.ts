// A server that could leave core dumps becomes one that cannot, with everything that it starts.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

const run = promisify(execFile);
const program = fileURLToPath(new URL('core-dumping.ts', import.meta.url));

/** What the program printed, line by line, when it was started under `ulimit -S -c` of `blocks`. */
async function start(blocks: string): Promise<{ lines: unknown[]; stderr: string }> {
  const script = `ulimit -S -c ${blocks} && exec "$0" "$@"`;
  const argument = `it's "one" $argument`;
  const command = ['-c', script, process.execPath, program, argument];
  const { stdout, stderr } = await run('/bin/sh', command);
  return {
    lines: stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
    stderr,
  };
}

test('in the same process, with the same arguments, and for its children for good', async () => {
  const { lines, stderr } = await start('8');
  const [begun, again, after] = lines as [{ pid: number; before: string }, object, object];
  expect(begun.before).not.toBe('0');
  expect(again).toEqual({ pid: begun.pid, before: '0' });
  expect(after).toEqual({
    pid: begun.pid,
    own: '0',
    child: ['0', '0'],
    argument: `it's "one" $argument`,
  });
  expect(stderr).toBe('');
});

test('where there are none anyway, nothing is started anew', async () => {
  const { lines } = await start('0');
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatchObject({ own: '0' });
});
