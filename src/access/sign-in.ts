// Sign-in of mail accounts and of persons. Every attempt, good or bad, is in the ledger; an unknown
// name is stored nowhere, since it is often a password typed into the wrong field. The rules and why they
// are so: docs/security/sign-in.md.
import { randomBytes, randomUUID } from 'node:crypto';
import type { Committer } from '../archive/committer/types.ts';
import { PostsealError } from '../kernel/errors.ts';
import type { CustodianId, EventId, PersonId, SessionId } from '../kernel/ids.ts';
import type { Secret } from '../kernel/secret.ts';
import type { Clock } from '../kernel/time.ts';
import type { Pseudonyms } from '../ledger/event/actor-keys.store.ts';
import {
  type Actor,
  type EventDraft,
  type EventObject,
  systemActor,
} from '../ledger/event/draft.ts';
import type { Account, MailboxService } from '../mailbox/types.ts';
import type { Database } from '../platform/postgres/database.ts';
import { CredentialCache } from './credential-cache.ts';
import { type Credential, type CredentialOwner, readCredential } from './credential.store.ts';
import { verifyPassword } from './password.ts';
import { findPerson, type Person, readPerson } from './person.store.ts';
import { personActor, type PersonSession } from './person-actor.ts';
import {
  deletePersonSession,
  findPersonSession,
  insertPersonSession,
} from './person-session.store.ts';
import { localAddress, type SignInThrottle, throttleKey } from './throttle.ts';
import { Turns } from './turns.ts';
import { UnknownNames } from './unknown-names.ts';

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
  readonly pseudonyms: Pseudonyms;
  readonly mailboxes: Pick<MailboxService, 'findAccount'>;
  readonly throttle: SignInThrottle;
  /** Tells the other processes of the node about a failure, so that all count alike. */
  readonly onFailure?: (nameKey: string, ip: string) => void;
  /** The node's chain of day keys; without it this process has one of its own. */
  readonly unknownNames?: UnknownNames;
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
  /** Whose side records hold what is personal. */
  readonly custodian: CustodianId | PersonId;
  readonly active: boolean;
};

type Attempt = {
  readonly name: string;
  readonly password: Secret;
  readonly context: SignInContext;
};

/** What one process keeps for its sign-ins. */
interface Memory {
  readonly cache: CredentialCache;
  readonly turns: Turns;
  readonly unknownNames: UnknownNames;
}

type Deps = Omit<SignInDeps, 'unknownNames'> & Memory;

/** What the throttle counts by: never the typed text, which may be a password. */
function nameKeyOf(deps: Deps, name: string, subject: Subject | undefined): string {
  if (subject !== undefined) return throttleKey(subject.owner);
  return `unknown:${deps.unknownNames.hash(name, deps.clock.now())}`;
}

const nobody: Actor = { role: 'unknown', p: 'unknown', auth: 'password' };

/** A failed attempt as an event: the address as a hash of the day, and sealed for the subject if there is one. */
function failedDraft(
  deps: Deps,
  attempt: Attempt,
  subject: Subject | undefined,
  reason: string,
): EventDraft {
  const { ip, listener, tls, mechanism } = attempt.context;
  const now = deps.clock.now();
  const name = deps.unknownNames.hash(attempt.name, now);
  return {
    op: 'session.sign-in-failed',
    outcome: 'denied',
    actor: nobody,
    objects: subject === undefined ? [] : [subject.object],
    fields: {
      ...{ reason, listener, tls, mechanism },
      ...(ip === localAddress ? {} : { from: deps.unknownNames.addressHash(ip, now) }),
      ...(subject === undefined ? { name } : {}),
    },
    ...(subject === undefined
      ? {}
      : { personal: [{ slot: 'ip', subject: subject.custodian, value: ip }] }),
  };
}

/** Without the key service nothing can be sealed; the failure is recorded all the same. */
async function recordFailed(deps: Deps, draft: EventDraft): Promise<void> {
  try {
    await deps.committer.record(draft);
  } catch (error) {
    if (!(error instanceof PostsealError && error.code === 'key.unavailable')) throw error;
    await deps.committer.record({ ...draft, personal: [] });
  }
}

/** Records the refusal, then throws it. */
async function refuse(
  deps: Deps,
  attempt: Attempt,
  subject: Subject | undefined,
  reason: 'credentials' | 'disabled' | 'locked',
): Promise<never> {
  await recordFailed(deps, failedDraft(deps, attempt, subject, reason));
  // Who asks from outside is not told that the account exists and is disabled.
  throw new PostsealError(reason === 'locked' ? 'access.locked' : 'access.credentials');
}

/** Counts a failure here and in the other processes; the one that locks the name is an event. */
async function countFailure(
  deps: Deps,
  nameKey: string,
  attempt: Attempt,
  subject: Subject | undefined,
): Promise<void> {
  const { ip } = attempt.context;
  const locked = deps.throttle.failed(nameKey, ip, deps.clock.now());
  deps.onFailure?.(nameKey, ip);
  if (!locked || subject === undefined) return;
  await deps.committer.record({
    op: 'access.locked',
    outcome: 'success',
    actor: systemActor,
    objects: [subject.object],
    fields: { listener: attempt.context.listener },
  });
}

/** Checks throttle and password; records the failure and throws unless everything is right. */
async function prove(
  deps: Deps,
  attempt: Attempt,
  subject: Subject | undefined,
): Promise<{ readonly mustChange: boolean }> {
  const nameKey = nameKeyOf(deps, attempt.name, subject);
  return deps.turns.run(nameKey, async () => {
    if (deps.throttle.check(nameKey, attempt.context.ip, deps.clock.now()) > 0) {
      return refuse(deps, attempt, subject, 'locked');
    }
    const stored = subject && (await readCredential(deps.database.pool, subject.owner));
    const right = await isRight(deps, attempt.password, subject, stored);
    if (!right || subject?.active !== true) {
      await countFailure(deps, nameKey, attempt, subject);
      return refuse(deps, attempt, subject, right ? 'disabled' : 'credentials');
    }
    deps.throttle.forget(nameKey);
    return { mustChange: stored?.mustChange === true };
  });
}

async function isRight(
  deps: Deps,
  password: Secret,
  subject: Subject | undefined,
  stored: Credential | undefined,
): Promise<boolean> {
  // An unknown name costs the same work, so that the time tells nothing.
  if (subject === undefined || stored === undefined) return verifyPassword(undefined, password);
  const { id } = subject.owner;
  if (deps.cache.has(id, stored.hash, password, deps.clock.now())) return true;
  const right = await verifyPassword(stored.hash, password);
  if (right) deps.cache.put(id, stored.hash, password, deps.clock.now());
  return right;
}

async function signInAccount(deps: Deps, input: Attempt): Promise<SignedIn> {
  const account = await deps.mailboxes.findAccount(input.name);
  await prove(
    deps,
    input,
    account && {
      owner: { kind: 'account', id: account.id },
      object: { t: 'acc', id: account.id },
      custodian: account.custodian,
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
  deps: Deps,
  input: Attempt,
): Promise<PersonSession & { readonly token: string }> {
  const person = await findPerson(deps.database.pool, input.name);
  const { mustChange } = await prove(
    deps,
    input,
    person && {
      owner: { kind: 'person', id: person.id },
      object: { t: 'per', id: person.id },
      custodian: person.id,
      active: person.state === 'active',
    },
  );
  if (person === undefined) throw new PostsealError('access.credentials');
  return openPersonSession(deps, person, { mustChange, context: input.context });
}

async function openPersonSession(
  deps: Pick<SignInDeps, 'committer' | 'database' | 'pseudonyms'>,
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

async function personSession(
  deps: Pick<SignInDeps, 'database' | 'pseudonyms'>,
  token: string,
): Promise<PersonSession | undefined> {
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
  const deps: Deps = {
    ...given,
    cache: new CredentialCache(),
    turns: new Turns(),
    unknownNames: given.unknownNames ?? UnknownNames.begin(randomBytes(32), given.clock.now()),
  };
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
        context: { ip: localAddress, listener: 'api', tls: false, mechanism: 'first-start' },
      }),
    personSession: (token) => personSession(deps, token),
    async personSignOut(by) {
      await ended(personActor(deps.pseudonyms, by), by.session, 'signed out');
      await deletePersonSession(deps.database.pool, by.session);
    },
  };
}
