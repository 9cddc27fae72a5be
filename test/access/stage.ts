// What the suites of this room stand on: one process's services on a real database and a real key
// service, persons with roles, and the ledger's inbox to look into.
import { createAccountCredentials } from '../../src/access/account-credentials.ts';
import { type Approvals, createApprovals } from '../../src/access/approvals.ts';
import type { PersonSession } from '../../src/access/person-actor.ts';
import { createPersons, type Persons } from '../../src/access/persons.ts';
import type { Role } from '../../src/access/roles.ts';
import { createSignIn, type SignIn, type SignInContext } from '../../src/access/sign-in.ts';
import { SignInThrottle } from '../../src/access/throttle.ts';
import { createUnlock, type Unlock } from '../../src/access/unlock.ts';
import { Secret } from '../../src/kernel/secret.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import type { Account } from '../../src/mailbox/types.ts';
import { type NodeServices, startNodeServices } from '../harness/node-services.ts';

export interface LedgerEvent {
  readonly op: string;
  readonly out: string;
  readonly act: { readonly role: string; readonly p: string; readonly session?: string };
  readonly obj: readonly { readonly t: string; readonly id: string }[];
  readonly f: Readonly<Record<string, unknown>>;
  /** The whole event as it stands in the ledger. */
  readonly text: string;
}

export interface AccessStage extends NodeServices {
  readonly persons: Persons;
  readonly approvals: Approvals;
  /** Sign-in with a clock of the test's own. */
  readonly signIn: SignIn;
  readonly throttle: SignInThrottle;
  readonly unlock: Unlock;
  /** Names that `unlock` lets other processes forget. */
  readonly forgotten: readonly string[];
  /** Milliseconds by which that clock is ahead. */
  readonly time: { ahead: number };
  /** A person with these roles who has a password of their own, signed in. */
  person(name: string, ...roles: Role[]): Promise<PersonSession & { readonly token: string }>;
  account(name: string, password: string): Promise<Account>;
  /** Runs `work` and answers the events that came with it, without incidental ones. */
  eventsOf(work: () => Promise<unknown>): Promise<LedgerEvent[]>;
}

/** Come along with the first act of a person, with the next one after a failure, or from the key service's own count. */
const incidental: ReadonlySet<string> = new Set([
  'audit.void',
  'key.created',
  'key.opened',
  'custodian.created',
]);

export const passwordOf = (name: string): string => `the own password of ${name}`;

export const atSocket: SignInContext = {
  ip: 'local',
  listener: 'api',
  tls: false,
  mechanism: 'password',
};

export async function openAccessStage(): Promise<AccessStage> {
  const node = await startNodeServices();
  const { services } = node;
  const approvals = createApprovals(services);
  const persons = createPersons({ ...services, approvals });
  const throttle = new SignInThrottle();
  const time = { ahead: 0 };
  const clock = { now: () => (Date.now() + time.ahead) as UnixMs };
  const signIn = createSignIn({ ...services, throttle, clock });
  const forgotten: string[] = [];
  const unlock = createUnlock({
    ...services,
    throttle,
    clock,
    forgetOthers: (key) => Promise.resolve(void forgotten.push(key)),
  });
  const credentials = createAccountCredentials({ ...services, approvals });
  const stage: AccessStage = {
    ...node,
    persons,
    approvals,
    signIn,
    throttle,
    unlock,
    forgotten,
    time,
    async person(name, ...roles) {
      const { person } = await persons.create({ name, fullName: name, roles }, systemActor);
      await persons.setPassword(person, Secret.fromText(passwordOf(name)), systemActor);
      return signIn.person(name, Secret.fromText(passwordOf(name)), atSocket);
    },
    async account(name, password) {
      const account = await services.mailboxes.createAccount({ name, actor: systemActor });
      const hash = await credentials.check(Secret.fromText(password));
      await credentials.setFirst(account, hash, systemActor);
      return account;
    },
    async eventsOf(work) {
      const before = new Set((await node.events()).map(({ text }) => text));
      await work();
      return (await node.events())
        .filter(({ text }) => !before.has(text))
        .map(({ text }) => ({
          ...(JSON.parse(text) as Omit<LedgerEvent, 'text' | 'f'> & Partial<LedgerEvent>),
          text,
        }))
        .map((event) => ({ ...event, f: event.f ?? {} }))
        .filter(({ op }) => !incidental.has(op));
    },
  };
  return stage;
}
