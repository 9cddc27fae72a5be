// The line of the key state on a real token: when a file is full, that nothing is written where nothing changed, what
// is kept, and that no generation is destroyed without it.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { destroyGeneration } from '../../../src/archive/generations/key-destroy.ts';
import { rewrapKeys, rotateKeys } from '../../../src/archive/generations/key-switch.ts';
import { systemActor } from '../../../src/ledger/event/draft.ts';
import { createBackupKeys } from '../../../src/operate/backup/backup-keys.ts';
import { keyStateHeads } from '../../../src/operate/backup/key-state-retention.ts';
import { type KeyStates, openKeyStates } from '../../../src/operate/backup/key-states.ts';
import { newestKeyState } from '../../../src/operate/backup/newest-key-state.ts';
import { openSwitchStage, type SwitchStage } from '../../archive/generations/switch-stage.ts';
import { createMemoryLog } from '../../harness/memory-log.ts';

const scratch = mkdtempSync(join(tmpdir(), 'postseal-key-states-'));
const target = join(scratch, 'target');
let run: SwitchStage;
let line: KeyStates;
let base: Date | undefined;

const heads = async () =>
  (await keyStateHeads(target)).map(({ head }) => `${head.kind} ${String(head.generation)}`);
const open = () => {
  const { database, organisation } = run.stage;
  const { keys, committer } = run.deps;
  return openKeyStates({
    ...{ target, everySeconds: 3_600, organisation, database, keys, committer },
    knowsDataBackups: true,
    shipData: () => Promise.resolve(base),
    now: () => new Date(),
    ...{ log: createMemoryLog(), alerts: { raise: () => undefined } },
  });
};
const newest = (damaged: string[] = []) => {
  const keys = createBackupKeys(run.stage.keyStore, run.stage.organisation);
  return newestKeyState(
    target,
    (head) => keys.openState(head),
    ({ place }) => damaged.push(place),
  );
};
const outcomes = () =>
  run.rows(
    `SELECT convert_from(b, 'UTF8')::json ->> 'out' AS out, count(*)::int AS n
       FROM audit_inbox i, unnest(i.bodies) b
      WHERE convert_from(b, 'UTF8')::json ->> 'op' = 'key.state-written' GROUP BY 1 ORDER BY 1`,
  );

async function rewrap(): Promise<void> {
  const steps = rewrapKeys(run.deps, systemActor);
  while ((await steps.next()).done !== true);
}
const destroy = (generation: number) => {
  const used = {
    op: 'approval.used',
    outcome: 'success',
    actor: systemActor,
    objects: [{ t: 'apr', id: randomUUID() }],
  } as const;
  const approval = { used, use: () => Promise.resolve() };
  const asked = { generation, graceDays: 0, actor: systemActor, approval };
  const beforeDestruction = (): Promise<void> => line.beforeDestruction();
  return destroyGeneration({ ...run.deps, beforeDestruction }, asked);
};

beforeAll(async () => {
  run = await openSwitchStage();
  await run.fill(await run.newCustodian(), 3);
  line = open();
}, 60_000);
afterAll(async () => {
  await line.stop();
  await run.close();
  rmSync(scratch, { recursive: true, force: true });
});

test('full first, then changes, and nothing where nothing changed', async () => {
  expect(await line.write()).toMatchObject({ kind: 'full', generation: 1 });
  await line.write();
  expect(await line.write()).toBeUndefined();
  await run.newCustodian();
  expect(await line.write()).toMatchObject({ kind: 'changes', generation: 1 });
  expect(await line.write()).toBeUndefined();
  // Of the changes only the newest.
  expect(await heads()).toEqual(['full 1', 'changes 1']);
  expect(await outcomes()).toEqual([{ out: 'success', n: 3 }]);
});

test('another generation and an ended group key ask for a full one', async () => {
  const [gone] = await run.fill(await run.newCustodian(), 2);
  await run.node.shred(gone!);
  await rotateKeys(run.deps, systemActor);
  expect(await line.write()).toMatchObject({ kind: 'full', generation: 2 });
  await run.newCustodian();
  expect(await line.write()).toMatchObject({ kind: 'changes' });
  await rewrap();
  expect(await line.write()).toMatchObject({ kind: 'full', generation: 2 });
});

test('the newest that is whole is found, with its changes; a damaged one is told and passed over', async () => {
  await run.newCustodian();
  const changes = await line.write();
  const state = await newest();
  expect(state).toMatchObject({ generation: 2 });
  expect(state?.sources).toHaveLength(2);
  const bytes = readFileSync(changes!.path);
  writeFileSync(changes!.path, bytes.subarray(0, -1));
  const damaged: string[] = [];
  expect((await newest(damaged))?.sources).toHaveLength(1);
  expect(damaged.map((path) => basename(path))).toEqual([basename(changes!.path)]);
  writeFileSync(changes!.path, bytes);
});

test('no generation is destroyed while the target or the data is not there', async () => {
  await expect(destroy(1)).rejects.toMatchObject({
    code: 'backup.key-state',
    fields: { reason: 'no-base' },
  });
  base = new Date();
  renameSync(target, `${target}-away`);
  // Where the folder was mounted nothing can be made.
  writeFileSync(target, '');
  await expect(destroy(1)).rejects.toMatchObject({ code: 'backup.target-failed' });
  rmSync(target);
  renameSync(`${target}-away`, target);
  expect(await run.generations()).toMatchObject([
    { state: 'retired', destroyingAt: null },
    { state: 'live' },
  ]);
  expect((await outcomes())[0]).toMatchObject({ out: 'failure' });
  expect(await destroy(1)).toMatchObject({ generation: 1 });
});

test('what a destroyed generation seals is taken away; a new process begins with a full one', async () => {
  await line.stop();
  line = open();
  expect(await line.write()).toMatchObject({ kind: 'full', generation: 2 });
  const all = await heads();
  expect(all.filter((head) => head.endsWith(' 1'))).toEqual([]);
  expect(all.filter((head) => head.startsWith('full'))).toHaveLength(3);
});
