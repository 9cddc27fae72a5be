// Reads what a scan gives in the tests of packs.
import type { ScanItem } from '../../../src/vault/packs/scan-pack.ts';

export async function all(items: AsyncIterable<ScanItem>): Promise<ScanItem[]> {
  const list: ScanItem[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** `frame@offset` or `kind@offset+length` of each item. */
export function places(items: readonly ScanItem[]): string[] {
  return items.map((item) =>
    item.type === 'frame' ? `frame@${item.offset}` : `${item.kind}@${item.offset}+${item.length}`,
  );
}
