// A process that records events, sequences and signs until it is killed. Prints the id of every event
// whose transaction has committed, one a line.
import { openDatabase } from '../../src/platform/postgres/database.ts';
import { openLedgerFixture, someDraft } from './ledger-fixture.ts';

const [url = '', home = ''] = process.argv.slice(2);
const database = await openDatabase({ url, poolMax: 4 });
const ledger = await openLedgerFixture(database, home);
const sequencer = ledger.sequencer({ checkpointMs: 5, batchEvents: 300, pollMs: 2 });
sequencer.start();
process.stdout.write('ready\n');
for (let i = 0; ; i += 1) {
  const events = await ledger.record(Array.from({ length: 1 + (i % 90) }, (_, k) => someDraft(k)));
  process.stdout.write(`${events.map((event) => event.id).join('\n')}\n`);
}
