// What doctor says of the certificate, on real ones.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { certificateCheck } from '../../src/operate/doctor/machine-checks.ts';
import { loadConfig } from '../../src/platform/config/load-config.ts';
import { makeSelfSigned } from '../../src/platform/tls/self-signed.ts';

const home = mkdtempSync(join(tmpdir(), 'postseal-doctor-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

test('the certificate of a first start is called self-signed', async () => {
  const now = Date.now();
  const pair = await makeSelfSigned({
    dnsNames: ['example.com'],
    addresses: ['127.0.0.1'],
    notBefore: new Date(now),
    days: 90,
  });
  const [certificate, key] = [join(home, 'c.pem'), join(home, 'k.pem')];
  writeFileSync(certificate, pair.certificate);
  writeFileSync(key, pair.key);
  const config = loadConfig(undefined, { POSTSEAL_HOME: home });
  const answer = await certificateCheck.look({
    config: { ...config, tls: { ...config.tls, certificate, key } },
    database: undefined,
    databaseProblem: undefined,
    running: false,
    keys: undefined,
    keyProblem: undefined,
    now,
  });
  expect(answer).toMatchObject({ verdict: 'warning' });
  expect(answer.text).toMatch(/^self-signed, valid for \d+ days$/);
  expect(answer.hint).toContain('tls.certificate');
});
