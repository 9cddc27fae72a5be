import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect } from '@jest/globals';
import { uuidV4 } from '../../src/kernel/ids.ts';
import { createSequencer } from '../../src/ledger/sequencer/sequencer.ts';
import { startSignerProcess } from '../../src/ledger/signer/signer-process.ts';
import { openTileFiles } from '../../src/ledger/tiles/tile-files.ts';
import { verifyLedger } from '../../src/ledger/verify/verify-ledger.ts';
import { emptyRoot } from '../../src/ledger/tree/hashes.ts';
import { buildFaultyModule } from '../harness/faulty-module.ts';
import { describeWith, testIf } from '../harness/needs.ts';
import { startTestDatabase } from '../harness/postgres.ts';
import { moduleOf, newKeysFolder, openTestToken } from '../harness/token.ts';
import {
  clock,
  newHome,
  newSealer,
  openLedgerFixture,
  origin,
  someDraft,
} from './ledger-fixture.ts';

const softhsm = moduleOf('softhsm2');

describe('startSignerProcess', () => {
  testIf(
    softhsm !== undefined,
    'no SoftHSM',
    'signs with a key inside SoftHSM; killed, it starts again and remembers',
    async () => {
      const db = await startTestDatabase();
      const home = newHome();
      const folder = newKeysFolder();
      const organisation = uuidV4(randomBytes(16));
      // The key service sets the token up; the signer only finds it.
      await (await openTestToken('softhsm2', folder, organisation)).close();
      const dir = join(home, 'ledger');
      const signer = await startSignerProcess({
        config: {
          organisation,
          origin,
          dir,
          stateFile: join(home, 'signer', 'state'),
          folder,
          store: {
            kind: 'pkcs11',
            module: softhsm ?? '',
            profile: 'softhsm2',
            tokenLabel: 'postseal',
          },
        },
      });
      const ledger = await openLedgerFixture(db.database, newHome());
      const sequencer = createSequencer({
        database: db.database,
        files: openTileFiles(dir),
        origin,
        sealer: newSealer('sequencer'),
        signer,
        clock,
        options: { anchorMs: Infinity, retryMs: 20 },
      });
      sequencer.start();
      try {
        await ledger.record([someDraft(1)]);
        const size = await sequencer.publish();
        expect(await signer.head()).toMatchObject({ size });
        const first = signer.pid!;
        process.kill(first, 'SIGKILL');
        for (let ready = false; !ready;) {
          await sleep(20);
          ready = await signer.head().then(
            () => signer.pid !== first,
            () => false,
          );
        }
        expect(await signer.head()).toMatchObject({ size });
        await expect(signer.sign({ size: size - 1, root: randomBytes(32) })).rejects.toMatchObject({
          code: 'integrity.ledger',
          fields: { what: 'rollback' },
        });
        await ledger.record([someDraft(2)]);
        await sequencer.publish();
        const publicKey = await readFile(join(dir, 'public-key.der'));
        expect(
          await verifyLedger({ database: db.database.pool, dir, publicKey, settleMs: 0 }),
        ).toMatchObject({ verdict: 'clean', size: size + 1 });
      } finally {
        await sequencer.stop();
        await signer.close();
        await db.drop();
        for (const path of [home, dirname(folder)]) rmSync(path, { recursive: true, force: true });
      }
    },
    60_000,
  );

  describeWith(['cc'], 'with a token that hangs', () => {
    testIf(
      softhsm !== undefined,
      'no SoftHSM',
      'keeps nobody waiting: the process is ended, another one signs when the token is back, and the end comes',
      async () => {
        const home = newHome();
        const folder = newKeysFolder();
        const organisation = uuidV4(randomBytes(16));
        await (await openTestToken('softhsm2', folder, organisation)).close();
        const hanging = buildFaultyModule(softhsm ?? '');
        const signer = await startSignerProcess({
          config: {
            organisation,
            origin,
            dir: join(home, 'ledger'),
            stateFile: join(home, 'signer', 'state'),
            folder,
            store: {
              kind: 'pkcs11',
              profile: 'softhsm2',
              module: hanging.module,
              tokenLabel: 'postseal',
            },
          },
          answerMsMax: 1_000,
        });
        const empty = { size: 0, root: emptyRoot };
        try {
          const note = await signer.sign(empty);
          const first = signer.pid;
          hanging.hang();
          const late = { code: 'key.unavailable', fields: { what: 'signer', reason: 'timeout' } };
          await expect(signer.sign(empty)).rejects.toMatchObject(late);
          hanging.clear();
          // The same checkpoint: only the signature, which is random, may differ.
          expect((await signer.sign(empty)).split('\n').slice(0, 4)).toEqual(
            note.split('\n').slice(0, 4),
          );
          expect(signer.pid).not.toBe(first);
          hanging.hang();
          const waiting = signer.sign(empty).catch((error: unknown) => error);
          signer.lastCall();
          expect(await waiting).toMatchObject(late);
          await expect(signer.sign(empty)).rejects.toMatchObject({ code: 'key.unavailable' });
        } finally {
          await signer.close();
          hanging.remove();
          for (const path of [home, dirname(folder)]) {
            rmSync(path, { recursive: true, force: true });
          }
        }
      },
      60_000,
    );
  });
});
