// The pure rules of sign-in and separation of duties.
import { describe, expect, test } from '@jest/globals';
import { isApprovalAct, approvalTable } from '../../src/access/approval-table.ts';
import { CredentialCache } from '../../src/access/credential-cache.ts';
import { hashPassword, oneTimePassword, verifyPassword } from '../../src/access/password.ts';
import { isRole, roleConflicts, roleRegistry, roles } from '../../src/access/roles.ts';
import { SignInThrottle } from '../../src/access/throttle.ts';
import { Secret } from '../../src/kernel/secret.ts';
import type { UnixMs } from '../../src/kernel/time.ts';

const at = (ms: number): UnixMs => ms as UnixMs;

describe('roleConflicts', () => {
  test.each([
    [['system-admin', 'security-admin'], 1],
    [['system-admin', 'audit-admin'], 1],
    [['security-admin', 'audit-admin', 'system-admin'], 3],
    [['dpo', 'system-admin'], 1],
    [['system-admin', 'reviewer'], 1],
    [['legal-officer', 'records-manager', 'key-custodian'], 0],
    [['legal-officer', 'legal-officer'], 0],
    [['system-admin', 'key-custodian'], 0],
  ] as const)('%j has %i conflicts', (held, count) => {
    expect(roleConflicts(held)).toHaveLength(count);
  });

  test('no two separated roles can ever be held together', () => {
    const separated = roles.filter((role) => roleRegistry[role].separated);
    for (const a of separated) {
      for (const b of separated) expect(roleConflicts([a, b])).toHaveLength(a === b ? 0 : 1);
    }
  });
});

describe('the approval table', () => {
  test('names only roles that exist, and always somebody who approves', () => {
    for (const row of Object.values(approvalTable)) {
      expect(row.approves.length).toBeGreaterThan(0);
      for (const role of [...row.proposes, ...row.approves]) expect(isRole(role)).toBe(true);
    }
    expect(isApprovalAct('person.reset')).toBe(true);
    expect(isApprovalAct('toString')).toBe(false);
  });
});

describe('SignInThrottle', () => {
  const rules = {
    failuresPerName: 3,
    lockMs: 1000,
    failuresPerAddress: 5,
    windowMs: 100,
    entriesMax: 2,
  };

  test('locks a name after three failures from any address and frees it after the lock', () => {
    const throttle = new SignInThrottle(rules);
    throttle.failed('alice', 'a1', at(0));
    throttle.failed('alice', 'a2', at(1));
    expect(throttle.check('alice', 'a9', at(2))).toBe(0);
    throttle.failed('alice', 'a3', at(2));
    expect(throttle.check('alice', 'a9', at(3))).toBe(999);
    expect(throttle.check('alice', 'a9', at(1002))).toBe(0);
  });

  test('a right password forgives the name but not the address', () => {
    const throttle = new SignInThrottle({ ...rules, entriesMax: 100 });
    for (let i = 0; i < 5; i += 1) {
      throttle.failed(`name${i}`, 'a1', at(i));
      throttle.forget(`name${i}`);
    }
    expect(throttle.check('anybody', 'a1', at(5))).toBeGreaterThan(0);
    expect(throttle.check('anybody', 'a2', at(5))).toBe(0);
  });

  test('old failures of an address do not count', () => {
    const throttle = new SignInThrottle({ ...rules, failuresPerName: 99, entriesMax: 100 });
    for (let i = 0; i < 20; i += 1) throttle.failed(`n${i}`, 'a1', at(i * 60));
    expect(throttle.check('n', 'a1', at(20 * 60))).toBe(0);
  });

  test('remembers no more than it may', () => {
    const throttle = new SignInThrottle(rules);
    for (let i = 0; i < 3; i += 1) throttle.failed('first', 'a', at(0));
    throttle.failed('second', 'b', at(1));
    throttle.failed('third', 'c', at(1));
    expect(throttle.check('first', 'z', at(2))).toBe(0);
  });
});

describe('passwords', () => {
  const right = Secret.fromText('correct horse battery staple');

  test('a hash fits its password alone, and an unknown name fits none', async () => {
    const stored = await hashPassword(right);
    expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await verifyPassword(stored, right)).toBe(true);
    expect(await verifyPassword(stored, Secret.fromText('correct horse battery stable'))).toBe(
      false,
    );
    expect(await verifyPassword(undefined, right)).toBe(false);
    expect(await verifyPassword(undefined, Secret.fromText('a password that nobody has'))).toBe(
      false,
    );
  });

  test('a short password is refused', async () => {
    await expect(hashPassword(Secret.fromText('fifteen letters'))).rejects.toMatchObject({
      code: 'access.password-policy',
    });
  });

  test('one-time passwords pass the policy and differ', async () => {
    const [a, b] = [oneTimePassword(), oneTimePassword()];
    expect(a).not.toBe(b);
    await expect(hashPassword(Secret.fromText(a))).resolves.toContain('argon2id');
  });
});

describe('CredentialCache', () => {
  test('remembers one password of one version for its life', () => {
    const cache = new CredentialCache(100, 10);
    const password = Secret.fromText('correct horse battery staple');
    cache.put('owner', 'v1', password, at(0));
    expect(cache.has('owner', 'v1', password, at(99))).toBe(true);
    expect(cache.has('owner', 'v1', password, at(100))).toBe(false);
    expect(cache.has('owner', 'v2', password, at(1))).toBe(false);
    expect(cache.has('other', 'v1', password, at(1))).toBe(false);
    expect(cache.has('owner', 'v1', Secret.fromText('another long password'), at(1))).toBe(false);
    cache.drop('owner');
    expect(cache.has('owner', 'v1', password, at(1))).toBe(false);
  });
});
