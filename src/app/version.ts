// The product's version, from package.json; the versions of the formats are constants of their pages.
import { readFileSync } from 'node:fs';

const manifest = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { readonly version: string };

export const productVersion = manifest.version;

export function versions(): Readonly<Record<string, string>> {
  return {
    postseal: productVersion,
    node: process.version,
    'body format': '1',
    'cell format': '1',
    'wrap format': '1',
    'pack format': '1',
    'leaf format': '1',
  };
}
