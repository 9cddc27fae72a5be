// Sign-in of mail accounts and of persons. Every attempt, good or bad, is in the ledger; an unknown
// name is stored nowhere, since it is often a password typed into the wrong field.
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import type { Committer } from '../archive/committer/types.ts';
import { PostsealError } from '../kernel/errors.ts';
import type { EventId, PersonId, SessionId } from '../kernel/ids.ts';
import type { Secret } from '../kernel/secret.ts';
import type { Clock } from '../kernel/time.ts';
import type { Pseudonyms } from '../ledger/event/actor-keys.store.ts';
import type { Actor, EventObject } from '../ledger/event/draft.ts';
import { unknownNameHash } from '../ledger/event/pseudonym.ts';
import type { Account, MailboxService } from '../mailbox/types.ts';
import type { Database } from '../platform/postgres/database.ts';
import type { KeyClient } from '../vault/keys/types.ts';
import { CredentialCache } from './credential-cache.ts';
import { type CredentialOwner, readCredential } from './credential.store.ts';
import { verifyPassword } from './password.ts';
import { findPerson, type Person, readPerson } from './person.store.ts';
import { personActor, type PersonSession } from './person-actor.ts';
import {
  deletePersonSession,
  findPersonSession,
  insertPersonSession,
} from './person-session.store.ts';
import type { SignInThrottle } from './throttle.ts';

export interface SignInContext {
  /** Address of the peer; `local` for the Unix socket. */
  readonly ip: string;
  readonly listener: 'imap' | 'imaps' | 'api';
  readonly tls: boolean;
  /** `LOGIN`, `PLAIN`, … */
  readonly mechanism: string;
}

export interface SignedIn {
  readonly session: SessionId;
  readonly account: Account;
  readonly actor: Actor;
  /** The `session.signed-in` event: the grant under which the account's names open. */
  readonly event: EventId;
}

export interface SignInDeps {
  readonly database: Database;
  readonly committer: Committer;
  readonly keys: Pick<KeyClient, 'writeKey'>;
  readonly pseudonyms: Pseudonyms;
  readonly mailboxes: Pick<MailboxService, 'findAccount'>;
  readonly throttle: SignInThrottle;
  /** Tells the other processes of the node about a failure, so that all count alike. */
  readonly onFailure?: (nameKey: string, ip: string) => void;
  readonly clock: Clock;
}

export interface SignIn {
  /** @throws PostsealError `access.credentials`, `access.locked`. */
  account(name: string, password: Secret, context: SignInContext): Promise<SignedIn>;
  accountEnded(signedIn: SignedIn, reason: string): Promise<void>;
  person(
    name: string,
    password: Secret,
    context: SignInContext,
  ): Promise<PersonSession & { readonly token: string }>;
  /**
   * The session that the first start leaves in the home for the system administrator, so that a
   * newcomer's first commands work; it lives as long as any other.
   */
  firstStart(person: Person): Promise<PersonSession & { readonly token: string }>;
  /** The session of a token, or undefined. Roles are read anew each time. */
  personSession(token: string): Promise<PersonSession | undefined>;
  personSignOut(session: PersonSession): Promise<void>;
}

const sessionLifeSeconds = 12 * 3600;

type Subject = {
  readonly owner: CredentialOwner;
  readonly object: EventObject;
  readonly active: boolean;
};

async function unknownName(deps: SignInDeps, name: string): Promise<string> {
  const { key } = await deps.keys.writeKey('dedup', 'organisation');
  const day = new Date(deps.clock.now()).toISOString().slice(0, 10);
  const dayKey = createHmac('sha256', key).update(`postseal/unknown-name/${day}`).digest();
  return unknownNameHash(dayKey, name);
}

/** Checks throttle and password; records the failure and throws unless everything is right. */
async function prove(
  deps: SignInDeps & { readonly cache: CredentialCache },
  input: { readonly name: string; readonly password: Secret; readonly context: SignInContext },
  subject: Subject | undefined,
): Promise<{ readonly mustChange: boolean }> {
  const { name, password, context } = input;
  const nameKey = `${subject?.owner.kind ?? 'unknown'}:${name.toLowerCase()}`;
  const fail = async (reason: 'credentials' | 'locked'): Promise<never> => {
    const { listener, tls, mechanism } = context;
    const known = subject === undefined ? { name: await unknownName(deps, name) } : {};
    await deps.committer.record({
      op: 'session.sign-in-failed',
      outcome: 'denied',
      actor: { role: 'unknown', p: 'unknown', auth: 'password' },
      objects: subject === undefined ? [] : [subject.object],
      fields: { reason, listener, tls, mechanism, ...known },
    });
    throw new PostsealError(reason === 'locked' ? 'access.locked' : 'access.credentials');
  };
  if (deps.throttle.check(nameKey, context.ip, deps.clock.now()) > 0) return fail('locked');
  const stored = subject && (await readCredential(deps.database.pool, subject.owner));
  const cached =
    subject !== undefined &&
    stored !== undefined &&
    deps.cache.has(subject.owner.id, stored.hash, password, deps.clock.now());
  const right = cached || (await verifyPassword(stored?.hash, password));
  if (!right || subject?.active !== true) {
    deps.throttle.failed(nameKey, context.ip, deps.clock.now());
    deps.onFailure?.(nameKey, context.ip);
    return fail('credentials');
  }
  deps.throttle.passed(nameKey);
  if (stored !== undefined && !cached) {
    deps.cache.put(subject.owner.id, stored.hash, password, deps.clock.now());
  }
  return { mustChange: stored?.mustChange === true };
}

async function signInAccount(
  deps: SignInDeps & { readonly cache: CredentialCache },
  input: { readonly name: string; readonly password: Secret; readonly context: SignInContext },
): Promise<SignedIn> {
  const account = await deps.mailboxes.findAccount(input.name);
  await prove(
    deps,
    input,
    account && {
      owner: { kind: 'account', id: account.id },
      object: { t: 'acc', id: account.id },
      active: account.state === 'active',
    },
  );
  if (account === undefined) throw new PostsealError('access.credentials');
  const { ip, listener, tls, mechanism } = input.context;
  const session = randomUUID() as string as SessionId;
  const p = await deps.pseudonyms.load(account.custodian);
  const actor: Actor = { role: 'owner', p, auth: 'password', session };
  const event = await deps.committer.record({
    op: 'session.signed-in',
    outcome: 'success',
    actor,
    objects: [
      { t: 'ses', id: session },
      { t: 'acc', id: account.id },
      { t: 'cus', id: account.custodian },
    ],
    fields: { listener, tls, mechanism },
    personal: [{ slot: 'ip', subject: account.custodian, value: ip }],
  });
  return { session, account, actor, event };
}

async function signInPerson(
  deps: SignInDeps & { readonly cache: CredentialCache },
  input: { readonly name: string; readonly password: Secret; readonly context: SignInContext },
): Promise<PersonSession & { readonly token: string }> {
  const person = await findPerson(deps.database.pool, input.name);
  const { mustChange } = await prove(
    deps,
    input,
    person && {
      owner: { kind: 'person', id: person.id },
      object: { t: 'per', id: person.id },
      active: person.state === 'active',
    },
  );
  if (person === undefined) throw new PostsealError('access.credentials');
  return openPersonSession(deps, person, { mustChange, context: input.context });
}

async function openPersonSession(
  deps: SignInDeps,
  person: Person,
  how: {
    readonly mustChange: boolean;
    readonly context: SignInContext;
    readonly firstStart?: boolean;
  },
): Promise<PersonSession & { readonly token: string }> {
  const session = randomUUID() as string as SessionId;
  const token = randomBytes(32).toString('base64url');
  await deps.pseudonyms.load(person.id);
  const { ip, listener, tls, mechanism } = how.context;
  await deps.committer.record({
    op: 'session.signed-in',
    outcome: 'success',
    actor: personActor(deps.pseudonyms, { person, session }),
    objects: [
      { t: 'ses', id: session },
      { t: 'per', id: person.id },
    ],
    fields: { listener, tls, mechanism },
    personal: [{ slot: 'ip', subject: person.id satisfies PersonId, value: ip }],
  });
  const lifeSeconds = sessionLifeSeconds;
  const firstStart = how.firstStart === true;
  await insertPersonSession(deps.database.pool, {
    token,
    session,
    person: person.id,
    lifeSeconds,
    firstStart,
  });
  return { session, person, mustChange: how.mustChange, token };
}

async function personSession(deps: SignInDeps, token: string): Promise<PersonSession | undefined> {
  const found = await findPersonSession(deps.database.pool, token);
  if (found === undefined) return undefined;
  const [person, credential] = await Promise.all([
    readPerson(deps.database.pool, found.person),
    readCredential(deps.database.pool, { kind: 'person', id: found.person }),
  ]);
  if (person?.state !== 'active') return undefined;
  await deps.pseudonyms.load(person.id);
  const mustChange = credential?.mustChange === true && !found.firstStart;
  return { session: found.session, person, mustChange };
}

export function createSignIn(given: SignInDeps): SignIn {
  const deps = { ...given, cache: new CredentialCache() };
  const ended = async (actor: Actor, session: SessionId, reason: string): Promise<void> => {
    await deps.committer.record({
      op: 'session.ended',
      outcome: 'success',
      actor,
      objects: [{ t: 'ses', id: session }],
      fields: { reason },
    });
  };
  return {
    account: (name, password, context) => signInAccount(deps, { name, password, context }),
    accountEnded: (signedIn, reason) => ended(signedIn.actor, signedIn.session, reason),
    person: (name, password, context) => signInPerson(deps, { name, password, context }),
    firstStart: (person) =>
      openPersonSession(deps, person, {
        mustChange: false,
        firstStart: true,
        context: { ip: 'local', listener: 'api', tls: false, mechanism: 'first-start' },
      }),
    personSession: (token) => personSession(deps, token),
    async personSignOut(by) {
      await ended(personActor(deps.pseudonyms, by), by.session, 'signed out');
      await deletePersonSession(deps.database.pool, by.session);
    },
  };
}
