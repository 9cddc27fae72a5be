// Names of WAL segments: timeline, log and segment, eight hex digits each. PostgreSQL 18 manual, "WAL Internals".

const segmentName = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})$/;
const historyName = /^[0-9A-F]{8}\.history$/;

export function isSegment(name: string): boolean {
  return segmentName.test(name);
}

export function isHistory(name: string): boolean {
  return historyName.test(name);
}

/** The segment after `name` in its timeline; `segmentBytes` is 16 MiB unless the cluster was made otherwise. */
export function nextSegment(name: string, segmentBytes: number): string {
  const [, timeline = '', log = '0', segment = '0'] = segmentName.exec(name) ?? [];
  const perLog = 0x1_0000_0000 / segmentBytes;
  const next = Number.parseInt(segment, 16) + 1;
  const carry = next === perLog ? 1 : 0;
  const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');
  return `${timeline}${hex(Number.parseInt(log, 16) + carry)}${hex(carry === 1 ? 0 : next)}`;
}

/** True if all of `names`, which are sorted, follow each other behind `last`. */
export function continues(
  last: string | undefined,
  names: readonly string[],
  segmentBytes: number,
): boolean {
  let before = last;
  for (const name of names) {
    if (before !== undefined && name !== nextSegment(before, segmentBytes)) return false;
    before = name;
  }
  return true;
}
