// kill -9 in the middle of 32 parallel deliveries and some APPENDs: of the whole server, of its
// PostgreSQL, of a worker, of the key service and of the signer. `npm run soak` does the same twenty times each.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { KillStage } from './kill-stage.ts';

let stage: KillStage;
beforeAll(async () => {
  stage = await KillStage.open();
}, 180_000);
afterAll(() => stage.close(), 180_000);

const rounds = [
  { what: 'the server', times: 3, kill: () => stage.killServer() },
  { what: 'PostgreSQL', times: 2, kill: () => stage.killPostgres() },
  { what: 'a worker', times: 1, kill: () => stage.killChild('worker-main.ts') },
  { what: 'the key service', times: 1, kill: () => stage.killChild('vault/service/main.ts') },
  { what: 'the signer', times: 1, kill: () => stage.killChild('ledger/signer/main.ts') },
];

test.each(rounds)(
  'nothing acknowledged is lost or doubled when $what is killed (rounds: $times)',
  async ({ times, kill }) => {
    stage.load.start();
    for (let round = 0; round < times; round += 1) await kill();
    const { messages, acknowledged } = await stage.audit();
    expect(messages).toBeGreaterThanOrEqual(acknowledged);
    expect(acknowledged).toBeGreaterThan(0);
  },
  300_000,
);
