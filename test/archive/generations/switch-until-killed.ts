// Child of the crash test: rotates once and rewraps, with a key service of its own, and prints each step.
// usage: node switch-until-killed.ts URL ORGANISATION PACKS KEYS-FOLDER
import { rewrapKeys, rotateKeys } from '../../../src/archive/generations/key-switch.ts';
import type { OrganisationId } from '../../../src/kernel/ids.ts';
import { systemActor } from '../../../src/ledger/event/draft.ts';
import type { TestDatabase } from '../../harness/postgres.ts';
import { openSwitchStage } from './switch-stage.ts';

const [url = '', organisation = '', packs = '', keysFolder = ''] = process.argv.slice(2);
const run = await openSwitchStage({
  db: { url } as TestDatabase,
  organisation: organisation as OrganisationId,
  packs,
  keysFolder,
});
const say = (text: string): void => void process.stdout.write(`${text}\n`);

say('open');
if ((await run.generations()).length === 1) await rotateKeys(run.deps, systemActor);
say('rotated');
for await (const line of rewrapKeys(run.deps, systemActor)) say(JSON.stringify(line));
say('end');
process.exit(0);
