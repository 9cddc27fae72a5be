// LIST wildcards (RFC 9051 §6.3.9): `*` is anything, `%` anything but the separator. Matching takes
// time in proportion to pattern × name, whatever the pattern, so a hostile one costs nothing.

/** A test for names; INBOX is compared in any case by folding the pattern beforehand. */
export function compileListPattern(pattern: string, separator: string): (name: string) => boolean {
  const wanted = Array.from(pattern.replace(/^inbox(?=$|[/*%])/i, 'INBOX'));
  return (name) => {
    let states = closure(new Set([0]), wanted);
    for (const c of name) {
      const next = new Set<number>();
      for (const at of states) {
        const p = wanted[at];
        if (p === '*' || (p === '%' && c !== separator)) next.add(at);
        else if (p === c && p !== '%') next.add(at + 1);
      }
      states = closure(next, wanted);
      if (states.size === 0) return false;
    }
    return states.has(wanted.length);
  };
}

/** A wildcard may match nothing: whoever stands before one also stands behind it. */
function closure(states: Set<number>, wanted: readonly string[]): Set<number> {
  for (const at of states) {
    if (wanted[at] === '*' || wanted[at] === '%') states.add(at + 1);
  }
  return states;
}
