// Between a transport and a route: session, role, one-time password, input, in this order. A refusal
// is an event before it is an answer (docs/architecture.md §4: every denied attempt).
import type { Committer } from '../../archive/committer/types.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { Pseudonyms } from '../../ledger/event/actor-keys.store.ts';
import { compileSchema, type Validator } from '../../platform/schema/validator.ts';
import { personActor, type PersonSession } from '../person-actor.ts';
import type { SignIn } from '../sign-in.ts';
import type { Route } from './route.ts';

export interface RouteRequest {
  /** Bearer token, if the caller sent one. */
  readonly token: string | undefined;
  readonly input: unknown;
  readonly ip: string;
  readonly body?: AsyncIterable<Uint8Array>;
}

export interface DispatchDeps {
  readonly signIn: Pick<SignIn, 'personSession'>;
  readonly committer: Pick<Committer, 'record'>;
  readonly pseudonyms: Pick<Pseudonyms, 'of'>;
}

/** What a transport calls. Throws PostsealError; the transport turns it into problem+json. */
export type Dispatch = (route: Route, request: RouteRequest) => Promise<unknown>;

function mayCall(route: Route, by: PersonSession): boolean {
  if (by.mustChange && route.beforePasswordChange !== true) return false;
  if (route.access === 'anyone' || route.access === 'signed-in') return true;
  return by.person.roles.some((role) => route.access.includes(role));
}

async function authorise(
  deps: DispatchDeps,
  route: Route,
  token: string | undefined,
): Promise<PersonSession | undefined> {
  const by = token === undefined ? undefined : await deps.signIn.personSession(token);
  if (route.access === 'anyone') return by;
  if (by === undefined) throw new PostsealError('access.signed-out');
  if (mayCall(route, by)) return by;
  await deps.committer.record({
    op: 'access.denied',
    outcome: 'denied',
    actor: personActor(deps.pseudonyms, by),
    objects: [
      { t: 'ses', id: by.session },
      { t: 'per', id: by.person.id },
    ],
    fields: { route: route.name },
  });
  if (by.mustChange) throw new PostsealError('access.password-change', { route: route.name });
  const needs = Array.isArray(route.access) ? route.access.join(' or ') : String(route.access);
  throw new PostsealError('access.denied', { route: route.name, needs });
}

export function createDispatch(deps: DispatchDeps): Dispatch {
  const validators = new WeakMap<Route, Validator>();
  const check = (route: Route, input: unknown): void => {
    const validate = validators.get(route) ?? compileSchema(route.input);
    validators.set(route, validate);
    const [finding] = validate(input);
    if (finding === undefined) return;
    throw new PostsealError('usage', {
      at: finding.at === '' ? '/' : finding.at,
      finding: finding.text,
    });
  };
  return async (route, request) => {
    const by = await authorise(deps, route, request.token);
    check(route, request.input);
    const { input, ip, body } = request;
    return route.run({ input, by, ip, ...(body === undefined ? {} : { body }) });
  };
}
