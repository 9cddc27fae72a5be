// The kill tests of test/e2e/kill.test.ts, twenty times each, with an audit after every fifth kill.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { KillStage } from '../e2e/kill-stage.ts';

let stage: KillStage;
beforeAll(async () => {
  stage = await KillStage.open();
}, 180_000);
afterAll(() => stage.close(), 600_000);

const kills = [
  { what: 'the server', kill: () => stage.killServer() },
  { what: 'PostgreSQL', kill: () => stage.killPostgres() },
  { what: 'a worker', kill: () => stage.killChild('worker-main.ts') },
  { what: 'the key service', kill: () => stage.killChild('vault/service/main.ts') },
  { what: 'the signer', kill: () => stage.killChild('ledger/signer/main.ts') },
];

test.each(kills)(
  'nothing acknowledged is lost or doubled when $what is killed twenty times',
  async ({ kill }) => {
    for (let five = 0; five < 4; five += 1) {
      stage.load.start();
      for (let round = 0; round < 5; round += 1) await kill();
      const { messages, acknowledged } = await stage.audit();
      expect(messages).toBeGreaterThanOrEqual(acknowledged);
    }
  },
  3_600_000,
);
