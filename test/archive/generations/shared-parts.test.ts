// A switch of key generations moves the keys of shared parts (docs/formats/recipe.md) like all others: what an erased
// message shared with another one opens, under the new keys alone.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { rewrapKeys, rotateKeys } from '../../../src/archive/generations/key-switch.ts';
import { newScrubCounts, scrubArchive } from '../../../src/archive/scrub.ts';
import { systemActor } from '../../../src/ledger/event/draft.ts';
import { openSwitchStage, type SwitchStage } from './switch-stage.ts';

let run: SwitchStage;
beforeAll(async () => {
  run = await openSwitchStage();
}, 60_000);
afterAll(() => run.close());

test('parts open under the new keys after an erasure and a switch', async () => {
  const owner = await run.newCustodian();
  const text = randomBytes(40_000).toString('hex');
  const mail = (subject: string): Buffer => Buffer.from(`Subject: ${subject}\r\n\r\n${text}\r\n`);
  const gone = await run.node.take(owner, mail('one'));
  const left = await run.node.take(owner, mail('two'));
  await run.node.shred(gone);
  await rotateKeys(run.deps, systemActor);
  for await (const line of rewrapKeys(run.deps, systemActor)) {
    if ('done' in line && typeof line.done === 'object') expect(line.done.failed).toBe(0);
  }
  const wraps = await run.rows(
    `SELECT part, refs, get_byte(wrap, 5) AS version FROM content_wrap WHERE custodian_id = $1 ORDER BY part`,
    [owner],
  );
  expect(wraps).toEqual([
    { part: false, refs: 1, version: 2 },
    { part: true, refs: 1, version: 2 },
  ]);
  expect((await run.node.read(left)).equals(mail('two'))).toBe(true);
  const findings = [];
  const { keys, store } = run.node;
  const scrub = scrubArchive({ db: run.stage.database, store, keys }, newScrubCounts());
  for await (const finding of scrub) findings.push(finding);
  expect(findings).toEqual([]);
}, 60_000);
