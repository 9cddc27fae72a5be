// Between a transport and a route: session, role, one-time password, input, in this order. A refusal
// is an event before it is an answer (docs/architecture.md §4: every denied attempt).
import type { Committer } from '../../archive/committer/types.ts';
import { type ErrorCode, PostsealError } from '../../kernel/errors.ts';
import type { Pseudonyms } from '../../ledger/event/actor-keys.store.ts';
import type { Actor } from '../../ledger/event/draft.ts';
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

type Refusal = Extract<
  ErrorCode,
  | 'access.signed-out'
  | 'access.password-change'
  | 'access.denied'
  | 'approval.self'
  | 'approval.subject'
  | 'approval.twice'
>;

/** Refusals that a handler finds out by itself, since they depend on the object. */
const refusals: ReadonlySet<ErrorCode> = new Set<Refusal>([
  'access.denied',
  'approval.self',
  'approval.subject',
  'approval.twice',
]);

/** Why this caller may not; undefined if they may. */
function refusalOf(route: Route, by: PersonSession | undefined): Refusal | undefined {
  const { access } = route;
  if (access === 'anyone') return undefined;
  if (by === undefined) return 'access.signed-out';
  if (by.mustChange && route.beforePasswordChange !== true) return 'access.password-change';
  if (access === 'signed-in') return undefined;
  return by.person.roles.some((role) => access.includes(role)) ? undefined : 'access.denied';
}

const nobody: Actor = { role: 'unknown', p: 'unknown', auth: 'none' };

async function recordRefusal(
  deps: DispatchDeps,
  route: Route,
  by: PersonSession | undefined,
  reason: ErrorCode,
): Promise<void> {
  await deps.committer.record({
    op: 'access.denied',
    outcome: 'denied',
    actor: by === undefined ? nobody : personActor(deps.pseudonyms, by),
    objects:
      by === undefined
        ? []
        : [
            { t: 'ses', id: by.session },
            { t: 'per', id: by.person.id },
          ],
    fields: { route: route.name, reason },
  });
}

async function authorise(
  deps: DispatchDeps,
  route: Route,
  token: string | undefined,
): Promise<PersonSession | undefined> {
  const by = token === undefined ? undefined : await deps.signIn.personSession(token);
  const reason = refusalOf(route, by);
  if (reason === undefined) return by;
  await recordRefusal(deps, route, by, reason);
  if (reason !== 'access.denied') throw new PostsealError(reason, { route: route.name });
  const needs = Array.isArray(route.access) ? route.access.join(' or ') : String(route.access);
  throw new PostsealError(reason, { route: route.name, needs });
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
    try {
      return await route.run({ input, by, ip, ...(body === undefined ? {} : { body }) });
    } catch (error) {
      if (error instanceof PostsealError && refusals.has(error.code)) {
        await recordRefusal(deps, route, by, error.code);
      }
      throw error;
    }
  };
}
