// JSON Schema (2020-12) checks with Ajv in strict mode: no coercion, no unknown members, all
// findings at once. One place, so that configuration, routes and policies speak the same dialect.
import { Ajv2020, type AnySchemaObject, type ErrorObject } from 'ajv/dist/2020.js';

export type JsonSchema = AnySchemaObject;

export interface SchemaFinding {
  /** JSON pointer of the place, empty for the whole. */
  readonly at: string;
  readonly text: string;
}

export type Validator = (value: unknown) => readonly SchemaFinding[];

// Findings carry their schema, for its words; the value that was given goes into no text.
const ajv = new Ajv2020({ strict: true, allErrors: true, verbose: true });
// What a `pattern` asks for, for people: behind "must be".
ajv.addKeyword({ keyword: 'inWords', schemaType: 'string' });

/** A finding without its regular expressions, and with the values that would do. */
function wordsOf({ keyword, message, params, parentSchema }: ErrorObject): string {
  if (keyword === 'pattern') {
    const words: unknown = parentSchema?.['inWords'];
    return typeof words === 'string' ? `must be ${words}` : 'has not the form that it must have';
  }
  if (keyword === 'enum') {
    const { allowedValues } = params as { readonly allowedValues: readonly unknown[] };
    return `must be one of ${allowedValues.map(String).join(', ')}`;
  }
  return message ?? 'is wrong';
}

/** Compiles `schema` once; the validator answers every finding, none when the value fits. */
export function compileSchema(schema: JsonSchema): Validator {
  const validate = ajv.compile(schema);
  return (value) => {
    if (validate(value)) return [];
    return (validate.errors ?? []).map((finding) => {
      const { instancePath, params } = finding;
      const name: unknown = (params as Readonly<Record<string, unknown>>)['additionalProperty'];
      // Where a member is not known the place is the member, not the object around it.
      return typeof name === 'string'
        ? { at: `${instancePath}/${pointerToken(name)}`, text: 'is not known' }
        : { at: instancePath, text: wordsOf(finding) };
    });
  };
}

/** RFC 6901 §3. */
function pointerToken(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
