// As whom a command acts: the signed-in person of the home (session-file.ts), or, for scripts, the one of
// POSTSEAL_PERSON with the password in POSTSEAL_PASSWORD_FILE, signed in anew for this call and out after it.
import { readFileSync } from 'node:fs';
import { PostsealError } from '../kernel/errors.ts';
import type { ApiClient } from './api-client.ts';
import { readSession, removeSession, writeSession } from './session-file.ts';

export interface Session {
  /** Name of the person as whom commands act; undefined when nobody is signed in. */
  person(): string | undefined;
  /** Signs in where the environment says so; undefined when nobody is signed in. */
  token(): Promise<string | undefined>;
  /** Keeps a session for later commands in this home. */
  save(person: string, token: string): void;
  /** The server has ended the session. */
  forget(): void;
  /** At the end of the command. */
  end(): Promise<void>;
}

export interface SessionOptions {
  readonly home: () => string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly api: () => Pick<ApiClient, 'call'>;
}

interface ScriptPerson {
  readonly name: string;
  readonly password: string;
}

/** Both variables or none. @throws PostsealError `config.secret-missing`, `usage`. */
function scriptPerson(env: SessionOptions['env']): ScriptPerson | undefined {
  const name = env['POSTSEAL_PERSON'] ?? '';
  const file = env['POSTSEAL_PASSWORD_FILE'] ?? '';
  if (name === '' && file === '') return undefined;
  if (name === '' || file === '') {
    const missing = name === '' ? 'POSTSEAL_PERSON' : 'POSTSEAL_PASSWORD_FILE';
    throw new PostsealError('config.secret-missing', { missing });
  }
  try {
    return { name, password: readFileSync(file, 'utf8').replace(/\r?\n$/, '') };
  } catch (error) {
    throw new PostsealError('config.secret-missing', { missing: file }, error);
  }
}

export function createSession({ home, env, api }: SessionOptions): Session {
  let own: Promise<string> | undefined;
  const signIn = async (json: ScriptPerson): Promise<string> => {
    const request = { method: 'POST', path: '/sessions', json, anonymous: true } as const;
    return ((await api().call(request)) as { token: string }).token;
  };
  return {
    person: () => scriptPerson(env)?.name ?? readSession(home())?.person,
    token() {
      const person = scriptPerson(env);
      if (person === undefined) return Promise.resolve(readSession(home())?.token);
      own ??= signIn(person);
      return own;
    },
    save: (person, token) => writeSession(home(), { person, token }),
    forget() {
      if (own === undefined) removeSession(home());
      own = undefined;
    },
    async end() {
      if (own === undefined) return;
      try {
        await own;
        await api().call({ method: 'DELETE', path: '/sessions/current' });
      } catch {
        // The command has told already why it failed; a session that is left ends by its time.
      }
    },
  };
}
