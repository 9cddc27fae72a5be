// The members that every leaf has (docs/formats/leaf.md "Members of the top object").
import type { Json } from './canonical.ts';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const token = /^[\x21-\x7e]{1,256}$/;

type Members = { readonly [name: string]: Json };
type Check = (value: Json | undefined) => boolean;

const text =
  (form: RegExp): Check =>
  (value) =>
    typeof value === 'string' && form.test(value);
const isObject = (value: Json | undefined): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const object =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isObject(value) &&
    Object.keys(value).every((name) => Object.hasOwn(checks, name)) &&
    Object.entries(checks).every(([name, check]) => check(value[name]));
const list =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every((item: Json) => check(item));
const anyText: Check = (value) => typeof value === 'string';

const leafChecks: Readonly<Record<string, Check>> = {
  v: (value) => value === 1,
  id: text(uuid),
  ts: text(instant),
  cls: text(/^[ABCD]$/),
  op: text(token),
  out: text(/^(success|failure|denied)$/),
  act: object({
    auth: anyText,
    p: text(token),
    role: anyText,
    mfa: optional((value) => typeof value === 'boolean'),
    session: optional(text(uuid)),
  }),
  obj: list(
    object({ id: anyText, t: text(/^[a-z]{3}$/), n: optional(count), sz: optional(count) }),
  ),
  src: object({ c: anyText }),
  ten: text(uuid),
  prod: object({ boot: text(uuid), node: text(token), q: (value) => count(value) && value !== 0 }),
  why: optional(
    object({ basis: optional(anyText), policy: optional(anyText), ticket: optional(anyText) }),
  ),
  f: optional((value) => isObject(value) && Object.keys(value).length > 0),
  part: optional(object({ i: count, n: count, of: text(uuid) })),
  pii: optional(list(object({ commit: text(/^[0-9a-f]{64}$/), slot: anyText }))),
};

/** Name of the first member that is missing, unknown or wrong; undefined if the leaf is whole. */
export function wrongMember(leaf: Members): string | undefined {
  const unknown = Object.keys(leaf).find((name) => !Object.hasOwn(leafChecks, name));
  if (unknown !== undefined) return unknown;
  return Object.entries(leafChecks).find(([name, check]) => !check(leaf[name]))?.[0];
}
