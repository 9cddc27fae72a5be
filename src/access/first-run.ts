// The first start of a home: three separated administrators with one-time passwords, which go to
// $POSTSEAL_HOME/first-run.txt (mode 0600) and nowhere else.
import { open } from 'node:fs/promises';
import { systemActor } from '../ledger/event/draft.ts';
import type { Persons } from './persons.ts';
import type { Role } from './roles.ts';

interface FirstPerson {
  readonly name: string;
  readonly fullName: string;
  readonly roles: readonly Role[];
}

const administrators: readonly FirstPerson[] = [
  { name: 'sysadmin', fullName: 'System administrator', roles: ['system-admin'] },
  { name: 'secadmin', fullName: 'Security administrator', roles: ['security-admin'] },
  { name: 'auditadmin', fullName: 'Audit administrator', roles: ['audit-admin'] },
];

/**
 * Creates the administrators that are missing and appends their passwords to `file`. Answers the
 * names of those made now; an interrupted first start goes on where it stopped.
 */
export async function createFirstAdministrators(persons: Persons, file: string): Promise<string[]> {
  const present = new Set((await persons.list()).map((person) => person.name));
  // Persons exist: this is no first start, and an administrator who was renamed is not made again.
  if (administrators.every(({ name }) => present.has(name))) return [];
  if (present.size > administrators.length) return [];
  const made: string[] = [];
  const out = await open(file, 'a', 0o600);
  try {
    for (const administrator of administrators) {
      if (present.has(administrator.name)) continue;
      const { person, oneTimePassword } = await persons.create(administrator, systemActor);
      await out.appendFile(`${person.name} ${oneTimePassword}\n`);
      await out.sync();
      made.push(person.name);
    }
  } finally {
    await out.close();
  }
  return made;
}
