// A fragment is one top-level key of the configuration: its schema, with a description at every leaf,
// and its default. Where a leaf has no default, its absence is meaningful and described.
import type { JsonSchema } from '../schema/validator.ts';

export interface ConfigFragment {
  readonly key: string;
  readonly schema: JsonSchema;
  readonly defaults: JsonValue;
}

export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** An object that knows all its members. */
export function objectOf(
  description: string,
  properties: Readonly<Record<string, JsonSchema>>,
): JsonSchema {
  return { type: 'object', description, additionalProperties: false, properties };
}

export function whole(description: string, minimum: number, maximum: number): JsonSchema {
  return { type: 'integer', description, minimum, maximum };
}

export function text(description: string): JsonSchema {
  return { type: 'string', description, minLength: 1, maxLength: 4096 };
}

export function flag(description: string): JsonSchema {
  return { type: 'boolean', description };
}

/** A secret never stands in the file: it names an environment variable or a file. */
export function secret(description: string): JsonSchema {
  return {
    type: 'object',
    description: `${description} \`{"env": NAME}\` or \`{"file": PATH}\`.`,
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 1,
    properties: {
      env: {
        type: 'string',
        pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
        inWords: 'the name of an environment variable',
      },
      file: { type: 'string', minLength: 1 },
    },
  };
}

/** Whether a schema is that of a secret, for the reference page. */
export function isSecretSchema(schema: JsonSchema): boolean {
  const properties = schema['properties'] as Record<string, unknown> | undefined;
  return properties !== undefined && 'env' in properties && 'file' in properties;
}
