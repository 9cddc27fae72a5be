// The whole schema and the whole of the defaults, computed from the fragments.
import type { JsonSchema } from '../schema/validator.ts';
import type { JsonValue } from './fragment.ts';
import { configFragments } from './fragments/index.ts';

/** JSON Schema (2020-12) of the configuration file; no key is required. */
export const configSchema: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  properties: Object.fromEntries(configFragments.map(({ key, schema }) => [key, schema])),
};

export const configDefaults: Readonly<Record<string, JsonValue>> = Object.fromEntries(
  configFragments.map(({ key, defaults }) => [key, defaults]),
);

/** `given` over `defaults`, object by object; arrays and scalars replace. */
export function overlay(defaults: JsonValue, given: JsonValue | undefined): JsonValue {
  if (given === undefined) return defaults;
  if (!isObject(defaults) || !isObject(given)) return given;
  const merged: Record<string, JsonValue> = { ...defaults };
  for (const [key, value] of Object.entries(given)) {
    merged[key] = Object.hasOwn(merged, key) ? overlay(merged[key] ?? null, value) : value;
  }
  return merged;
}

function isObject(value: JsonValue): value is Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
