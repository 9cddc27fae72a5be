// Roles of persons and which exclude each other (三员分立, GB/T 22239 8.1.5; docs/security/roles.md).
// No administrator reads mail; no one holds two of the separated roles.

export const roleRegistry = {
  'system-admin': {
    text: 'Runs the system: accounts, sources, backups. Never reads mail.',
    separated: true,
  },
  'security-admin': {
    text: 'Persons, roles, passwords, network rules. Never reads mail.',
    separated: true,
  },
  'audit-admin': {
    text: 'Reads and verifies the ledger. Changes nothing.',
    separated: true,
  },
  'records-manager': { text: 'Retention rules and dispositions.', separated: false },
  'legal-officer': { text: 'Holds and cases.', separated: false },
  dpo: { text: 'Subject requests: access, erasure, restriction.', separated: true },
  'key-custodian': { text: 'One of the M of N who may destroy a key.', separated: false },
  reviewer: { text: 'Reads content inside one case.', separated: false },
} as const satisfies Record<string, { text: string; separated: boolean }>;

/** Without a holder of each of these nobody could mend what is wrong, so the last one stays. */
export const offices: readonly Role[] = ['system-admin', 'security-admin', 'audit-admin'];

export type Role = keyof typeof roleRegistry;

export const roles = Object.keys(roleRegistry) as Role[];

/** True if `text` names a role. */
export function isRole(text: string): text is Role {
  return Object.hasOwn(roleRegistry, text);
}

/**
 * The pairs of `held` that one person may not hold together: two separated roles, or an
 * administrator who would also read content.
 */
export function roleConflicts(held: readonly Role[]): readonly (readonly [Role, Role])[] {
  const readers: readonly Role[] = ['reviewer'];
  const unique = [...new Set(held)];
  const excluded = (a: Role, b: Role): boolean =>
    (roleRegistry[a].separated && roleRegistry[b].separated) ||
    (offices.includes(a) && readers.includes(b)) ||
    (offices.includes(b) && readers.includes(a));
  return unique.flatMap((a, i) =>
    unique
      .slice(i + 1)
      .filter((b) => excluded(a, b))
      .map((b) => [a, b] as const),
  );
}
