// What doctor says of the token: its class, profile and mechanism, and that a profile nobody tried is one.
import { expect, test } from '@jest/globals';
import { tokenCheck } from '../../src/operate/doctor/key-checks.ts';
import type { DoctorAnswer } from '../../src/operate/doctor/doctor-check.ts';
import { loadConfig } from '../../src/platform/config/load-config.ts';
import type { KeyStatus } from '../../src/vault/keys/types.ts';

const status = (more: Partial<KeyStatus>): KeyStatus => ({
  available: true,
  kind: 'pkcs11',
  tokenClass: 'hsm',
  token: 'Model label',
  profile: 'luna',
  mechanism: 'AES-KWP (0x210b)',
  generation: 1,
  custodianKeysCached: 0,
  groupKeysCached: 0,
  wraps: 0,
  opens: 0,
  refusals: 0,
  ...more,
});

function look(profile: string, keys: KeyStatus, production = false): DoctorAnswer {
  const config = loadConfig(undefined, { POSTSEAL_HOME: '/nonexistent' });
  const pkcs11 = { ...config.keys.pkcs11, profile, module: '/x.so' };
  return tokenCheck.look({
    config: { ...config, production, keys: { ...config.keys, store: 'pkcs11', pkcs11 } },
    database: undefined,
    databaseProblem: undefined,
    running: true,
    keys,
    keyProblem: undefined,
    now: 0,
  }) as DoctorAnswer;
}

test('names class, token, profile and mechanism in use', () => {
  const soft = { tokenClass: 'software-token', profile: 'softhsm2' } as const;
  const mechanism = 'AES-GCM (CK_GCM_PARAMS v2.40)';
  const answer = look('softhsm2', status({ ...soft, mechanism }));
  expect(answer).toMatchObject({ verdict: 'warning' });
  expect(answer.text).toContain(
    'class software-token (Model label; profile softhsm2, AES-GCM (CK_GCM_PARAMS v2.40))',
  );
  expect(look('softhsm2', status(soft), true)).toMatchObject({ verdict: 'bad' });
});

test('warns of a device whose profile was only read, in production too', () => {
  for (const production of [false, true]) {
    const answer = look('luna', status({}), production);
    expect(answer).toMatchObject({ verdict: 'warning' });
    expect(answer.text).toContain('class hsm (Model label; profile luna, AES-KWP (0x210b))');
    expect(answer.text).toContain('never tested on the device');
    expect(answer.hint).toContain('keys/README.md');
  }
});

test('says of an absent device that it is absent, before anything else', () => {
  const answer = look('luna', status({ available: false, mechanism: '' }));
  expect(answer).toMatchObject({ verdict: 'bad' });
  expect(answer.text).toMatch(/no mechanism yet\): the token does not answer$/);
});
