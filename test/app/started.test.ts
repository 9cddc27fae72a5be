// The end of a server: in the reverse order of its start, whatever fails or hangs.
import { expect, test } from '@jest/globals';
import { Started } from '../../src/app/started.ts';

test('ends in the reverse order; a failure is told at the end and stops nothing', async () => {
  const ended: string[] = [];
  const started = new Started(() => undefined);
  started.add('first', () => void ended.push('first'));
  started.add('second', () => {
    ended.push('second');
    throw new Error('second fails');
  });
  started.add('third', async () => {
    await Promise.resolve();
    ended.push('third');
  });
  await expect(started.stop()).rejects.toThrow('second fails');
  expect(ended).toEqual(['third', 'second', 'first']);
  // What has ended is not ended again.
  await started.stop();
  expect(ended).toHaveLength(3);
});

test('goes on without a part that never ends, and says which and after what time', async () => {
  const [ended, said]: [string[], string[]] = [[], []];
  const started = new Started((text) => said.push(text));
  started.add('database', () => void ended.push('database'));
  started.add('ledger', () => new Promise(() => undefined), 50);
  await expect(started.stop()).rejects.toMatchObject({
    code: 'server.stop-late',
    fields: { part: 'ledger', seconds: 0.05 },
  });
  expect(ended).toEqual(['database']);
  expect(said).toEqual(['ledger does not end within 0.05 s; going on without it']);
});
