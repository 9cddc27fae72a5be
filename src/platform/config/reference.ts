// docs/reference/config.md, computed from the fragments; a test holds the file equal to it.
import type { JsonSchema } from '../schema/validator.ts';
import { isSecretSchema } from './fragment.ts';
import type { JsonValue } from './fragment.ts';
import { configFragments } from './fragments/index.ts';

const head = `# Configuration

Generated from \`src/platform/config/fragments/\`; do not edit.

One JSON file: \`--config FILE\`, else \`POSTSEAL_CONFIG\`, else \`postseal.json\` in the home. Every key has
a default, so no file is a valid configuration. Unknown keys are errors, nothing is coerced, and all
findings are reported at once with their JSON pointers (exit code 78). Relative paths begin at the
folder of the file. Secrets never stand in the file.

| variable | wins over |
|---|---|
| \`POSTSEAL_HOME\` | \`/home\` |
| \`DATABASE_URL\` | \`/database/url\` |

| key | kind | default | meaning |
|---|---|---|---|
`;

/** The whole page. */
export function configReference(): string {
  const rows = configFragments.flatMap(({ key, schema, defaults }) =>
    describe(`/${key}`, schema, defaults),
  );
  return `${head}${rows.join('\n')}\n`;
}

function describe(pointer: string, schema: JsonSchema, value: JsonValue | undefined): string[] {
  const properties = schema['properties'] as Record<string, JsonSchema> | undefined;
  if (properties !== undefined && !isSecretSchema(schema)) {
    return Object.entries(properties).flatMap(([name, member]) =>
      describe(`${pointer}/${name}`, member, memberOf(value, name)),
    );
  }
  const shown = value === undefined ? '–' : `\`${JSON.stringify(value)}\``;
  const meaning = String(schema['description'] ?? '').replaceAll('|', '\\|');
  return [`| \`${pointer}\` | ${kindOf(schema)} | ${shown} | ${meaning} |`];
}

function kindOf(schema: JsonSchema): string {
  if (isSecretSchema(schema)) return 'secret';
  const choices = schema['enum'] as readonly string[] | undefined;
  if (choices !== undefined) return choices.map((choice) => `\`${choice}\``).join(', ');
  if (schema['type'] === 'integer') {
    return `whole number ${String(schema['minimum'])}–${String(schema['maximum'])}`;
  }
  return schema['type'] === 'boolean' ? 'true or false' : 'text';
}

function memberOf(value: JsonValue | undefined, name: string): JsonValue | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return (value as Readonly<Record<string, JsonValue>>)[name];
}
