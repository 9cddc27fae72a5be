// What the columns of audit_log repeat of a leaf, so that it can be found. The leaf stays the truth:
// `verifyLedger` compares the columns with it. docs/formats/leaf.md, docs/formats/ledger.md. Pure.
import type { JsonValue } from './canonical-json.ts';

export interface LeafProjection {
  readonly id: string;
  /** RFC 3339 with six fraction digits. */
  readonly ts: string;
  readonly op: string;
  readonly cls: string;
  readonly outcome: string;
  readonly actor: string;
  /** `kind:id` of every object, in the order of the leaf. */
  readonly objects: readonly string[];
  readonly node: string;
  readonly boot: string;
  readonly q: number;
  /** Numbers that an `audit.void` names, as [from, to] pairs; empty otherwise. */
  readonly voids: readonly (readonly [number, number])[];
}

/** Texts that columns repeat: printable ASCII, no space. */
const token = /^[\x21-\x7e]{1,256}$/;
const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** True for what may stand as pseudonym, object id or node name. */
export function isLeafToken(text: string): boolean {
  return token.test(text);
}

/** Those of `ids` that are uuids: guarded rows have no other ids. docs/formats/ledger.md "Inbox". */
export function namedIds(ids: readonly string[]): string[] {
  return ids.filter((id) => uuid.test(id));
}

/** `namedIds` of the objects of a projection. */
export function namesOf({ objects }: Pick<LeafProjection, 'objects'>): string[] {
  return namedIds(objects.map((object) => object.slice(object.indexOf(':') + 1)));
}

/** `undefined` if a member that a leaf must have is missing or malformed. */
export function projectLeaf(leaf: JsonValue): LeafProjection | undefined {
  const top = record(leaf);
  const act = record(top?.['act']);
  const prod = record(top?.['prod']);
  const objects = list(top?.['obj'])?.map(objectText);
  if (top === undefined || act === undefined || prod === undefined || objects === undefined)
    return undefined;
  const q = prod['q'];
  const [id, ts, op, cls, outcome, actor, node, boot] = [
    top['id'],
    top['ts'],
    top['op'],
    top['cls'],
    top['out'],
    act['p'],
    prod['node'],
    prod['boot'],
  ].map((value) => (typeof value === 'string' && token.test(value) ? value : ''));
  if (top['v'] !== 1 || !isUuid(id) || !isUuid(boot) || ts === undefined || !timestamp.test(ts))
    return undefined;
  if (!op || !cls || !outcome || !actor || !node || objects.includes('')) return undefined;
  if (typeof q !== 'number' || q < 1) return undefined;
  const voids = op === 'audit.void' ? ranges(record(top['f'])?.['q']) : [];
  if (voids === undefined) return undefined;
  return { id, ts, op, cls, outcome, actor, objects, node, boot, q, voids };
}

function isUuid(text: string | undefined): text is string {
  return text !== undefined && uuid.test(text);
}

function record(value: JsonValue | undefined): Readonly<Record<string, JsonValue>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as Readonly<Record<string, JsonValue>>;
}

function list(value: JsonValue | undefined): readonly JsonValue[] | undefined {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : undefined;
}

/** `kind:id`, or the empty text for what is no object. */
function objectText(value: JsonValue): string {
  const { t, id } = record(value) ?? {};
  const text = typeof t === 'string' && typeof id === 'string' ? `${t}:${id}` : '';
  return token.test(text) ? text : '';
}

function ranges(value: JsonValue | undefined): (readonly [number, number])[] | undefined {
  const out: (readonly [number, number])[] = [];
  for (const pair of list(value) ?? []) {
    const [from, to] = list(pair) ?? [];
    if (typeof from !== 'number' || typeof to !== 'number' || from > to) return undefined;
    out.push([from, to]);
  }
  return out.length > 0 ? out : undefined;
}
