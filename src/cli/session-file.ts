// The signed-in person of a home: one token in HOME/session.json (mode 0600).
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface SavedSession {
  readonly person: string;
  readonly token: string;
}

const fileOf = (home: string): string => join(home, 'session.json');

export function readSession(home: string): SavedSession | undefined {
  try {
    const value = JSON.parse(readFileSync(fileOf(home), 'utf8')) as Partial<SavedSession>;
    if (typeof value.person !== 'string' || typeof value.token !== 'string') return undefined;
    return { person: value.person, token: value.token };
  } catch {
    // No file, or one that is not ours: nobody is signed in, and the server says so.
    return undefined;
  }
}

export function writeSession(home: string, session: SavedSession): void {
  writeFileSync(fileOf(home), `${JSON.stringify(session)}\n`, { mode: 0o600 });
  // The mode above counts only for a file that is new.
  chmodSync(fileOf(home), 0o600);
}

export function removeSession(home: string): void {
  rmSync(fileOf(home), { force: true });
}
