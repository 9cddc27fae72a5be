// The first start of a home: three separated administrators with one-time passwords, which go to
// $POSTSEAL_HOME/first-run.txt (mode 0600) and nowhere else.
import { type FileHandle, open } from 'node:fs/promises';
import { systemActor } from '../ledger/event/draft.ts';
import { oneTimePassword } from './password.ts';
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
 * Creates the administrators that are missing, with their passwords in `file`. Answers the names of those
 * made now; an interrupted first start goes on where it stopped.
 */
export async function createFirstAdministrators(persons: Persons, file: string): Promise<string[]> {
  const present = new Set((await persons.list()).map((person) => person.name));
  // Persons exist: this is no first start, and an administrator who was renamed is not made again.
  if (administrators.every(({ name }) => present.has(name))) return [];
  if (present.size > administrators.length) return [];
  const made: string[] = [];
  const out = await open(file, 'a+', 0o600);
  try {
    for (const administrator of administrators) {
      if (present.has(administrator.name)) continue;
      const password = await passwordIn(out, administrator.name);
      await persons.create({ ...administrator, oneTimePassword: password }, systemActor);
      made.push(administrator.name);
    }
  } finally {
    await out.close();
  }
  return made;
}

/**
 * The password of `name` in the file; a new one is durable there before its person exists, so that no
 * crash leaves an administrator whose password nobody knows.
 */
async function passwordIn(file: FileHandle, name: string): Promise<string> {
  const { size } = await file.stat();
  const { buffer } = await file.read(Buffer.alloc(size), 0, size, 0);
  const line = buffer
    .toString('utf8')
    .split('\n')
    // The last line may have been cut by the crash.
    .slice(0, -1)
    .findLast((text) => text.startsWith(`${name} `));
  if (line !== undefined) return line.slice(name.length + 1);
  const password = oneTimePassword();
  await file.appendFile(`${size > 0 && buffer.at(-1) !== 10 ? '\n' : ''}${name} ${password}\n`);
  await file.sync();
  return password;
}
