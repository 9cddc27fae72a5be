// While a restore is not signed the database itself deletes nothing of the archive, and no process changes anything;
// the signature opens it, and a row of a restore cannot be taken away instead.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { systemActor } from '../../../src/ledger/event/draft.ts';
import { withEvents } from '../../../src/ledger/event/inbox.store.ts';
import {
  insertRestore,
  newestRestore,
  signRestores,
} from '../../../src/operate/backup/home-restore.store.ts';
import { createServiceGate } from '../../../src/operate/backup/service-gate.ts';
import { type NodeServices, startNodeServices } from '../../harness/node-services.ts';

jest.setTimeout(120_000);

let node: NodeServices;
beforeAll(async () => {
  node = await startNodeServices();
});
afterAll(() => node.close());

async function mark(): Promise<void> {
  const { database, sealer, organisation } = node.services;
  const objects = [{ t: 'org', id: organisation }] as const;
  const draft = { op: 'backup.restored', outcome: 'success', actor: systemActor, objects } as const;
  await withEvents(database, sealer, [draft], (client, [event]) =>
    insertRestore(client, { id: randomUUID(), organisation, report: '{}' }, event?.id ?? ''),
  );
}

test('an archive that was restored deletes nothing before the signature', async () => {
  const { database, sealer, organisation, committer } = node.services;
  const gate = createServiceGate(database);
  await mark();
  await expect(gate.check()).rejects.toMatchObject({ code: 'restore.unsigned' });
  const { rows } = await database.pool.query<{ part: string }>(
    `SELECT relid::text AS part FROM pg_partition_tree('record') WHERE isleaf LIMIT 1`,
  );
  const [{ part } = { part: '' }] = rows;
  for (const table of ['record', part, 'content', 'content_wrap', 'home_restore']) {
    const gone = database.pool.query(`DELETE FROM ${table}`);
    await expect(gone).rejects.toMatchObject({ code: 'PS003' });
  }
  // Reading is recorded all the same.
  const about = { outcome: 'success', actor: systemActor, objects: [] } as const;
  await committer.record({ op: 'server.started', ...about });
  await expect(
    database.pool.query('UPDATE public.home_restore SET signed_at = now()'),
  ).rejects.toMatchObject({
    code: 'PS001',
  });
  const objects = [{ t: 'org', id: organisation }] as const;
  const signed = { op: 'restore.signed', outcome: 'success', actor: systemActor, objects } as const;
  const found = await withEvents(database, sealer, [signed], (client, [event]) =>
    signRestores(client, organisation, event?.id ?? ''),
  );
  expect(found).toBe(true);
  expect((await newestRestore(database.pool))?.signedAt).toEqual(expect.any(String));
  await gate.check();
  expect((await database.pool.query('DELETE FROM public.record')).rowCount).toBe(0);
});
