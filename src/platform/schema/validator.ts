// JSON Schema (2020-12) checks with Ajv in strict mode: no coercion, no unknown members, all
// findings at once. One place, so that configuration, routes and policies speak the same dialect.
import { Ajv2020, type AnySchemaObject } from 'ajv/dist/2020.js';

export type JsonSchema = AnySchemaObject;

export interface SchemaFinding {
  /** JSON pointer of the place, empty for the whole. */
  readonly at: string;
  readonly text: string;
}

export type Validator = (value: unknown) => readonly SchemaFinding[];

const ajv = new Ajv2020({ strict: true, allErrors: true });

/** Compiles `schema` once; the validator answers every finding, none when the value fits. */
export function compileSchema(schema: JsonSchema): Validator {
  const validate = ajv.compile(schema);
  return (value) => {
    if (validate(value)) return [];
    return (validate.errors ?? []).map(({ instancePath, message, params }) => {
      const name: unknown = (params as Readonly<Record<string, unknown>>)['additionalProperty'];
      // Where a member is not known the place is the member, not the object around it.
      return typeof name === 'string'
        ? { at: `${instancePath}/${pointerToken(name)}`, text: 'is not known' }
        : { at: instancePath, text: message ?? 'is wrong' };
    });
  };
}

/** RFC 6901 §3. */
function pointerToken(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
