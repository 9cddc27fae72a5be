// Hints inside a process, through a transport, and through a real cluster of processes.
import { execFile } from 'node:child_process';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import type { MailboxId, ModSeq } from '../../../src/kernel/ids.ts';
import { createHintBus, type Hint } from '../../../src/platform/hints/hint-bus.ts';

const hint = (mailbox: string, modseq: number): Hint => ({
  mailbox: mailbox as MailboxId,
  modseq: modseq as ModSeq,
});

describe('createHintBus', () => {
  test('tells the subscribers of that mailbox at once, until they end', () => {
    const bus = createHintBus();
    const heard: Hint[] = [];
    const end = bus.subscribe('a' as MailboxId, (one) => heard.push(one));
    bus.subscribe('a' as MailboxId, (one) => heard.push(one));
    bus.publish(hint('a', 1));
    bus.publish(hint('b', 2));
    end();
    end();
    bus.publish(hint('a', 3));
    expect(heard).toEqual([hint('a', 1), hint('a', 1), hint('a', 3)]);
  });

  test('hands transports the latest hint of each mailbox, once a turn', async () => {
    const bus = createHintBus();
    const sent: (readonly Hint[])[] = [];
    const end = bus.connect((hints) => sent.push(hints));
    for (const modseq of [4, 6, 5]) bus.publish(hint('a', modseq));
    bus.publish(hint('b', 1));
    expect(sent).toEqual([]);
    await nextTurn();
    expect(sent).toEqual([[hint('a', 6), hint('b', 1)]]);
    bus.publish(hint('a', 7));
    await nextTurn();
    end();
    bus.publish(hint('a', 8));
    await nextTurn();
    expect(sent.slice(1)).toEqual([[hint('a', 7)]]);
  });

  test('does not hand on what it received', async () => {
    const bus = createHintBus();
    const sent: unknown[] = [];
    const heard: Hint[] = [];
    bus.connect((hints) => sent.push(hints));
    bus.subscribe('a' as MailboxId, (one) => heard.push(one));
    bus.receive([hint('a', 1)]);
    await nextTurn();
    expect(heard).toEqual([hint('a', 1)]);
    expect(sent).toEqual([]);
  });
});

test('connectClusterHints carries hints between workers and primary, and tells no one twice', async () => {
  const program = new URL('./cluster-program.ts', import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 25_000 });
  expect(stdout.trim().split('\n').sort()).toEqual([
    'primary from-primary 3',
    'primary from-primary 5',
    'primary from-worker1 7',
    'worker1 from-primary 5',
    'worker1 from-worker1 7',
    'worker2 from-primary 5',
    'worker2 from-worker1 7',
  ]);
});
