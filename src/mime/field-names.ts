// A set of header field names that is asked where a name stands in a header, without cutting it out:
// names compare without regard to case (RFC 5322 §1.2.2), and most fields are of no interest.

export class FieldNames {
  /** By their length, since that alone rules most of them out. */
  readonly #ofLength = new Map<number, string[]>();

  /** `names` in lower case. */
  constructor(names: Iterable<string>) {
    for (const name of new Set(names)) {
      const others = this.#ofLength.get(name.length);
      if (others === undefined) this.#ofLength.set(name.length, [name]);
      else others.push(name);
    }
  }

  /** The name, in lower case, that `header` has at `[start, end)` in any case; undefined for no member. */
  find(header: string, start: number, end: number): string | undefined {
    const names = this.#ofLength.get(end - start);
    if (names === undefined) return undefined;
    for (const name of names) if (standsAt(header, start, name)) return name;
    return undefined;
  }
}

function standsAt(header: string, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i += 1) {
    const code = header.charCodeAt(start + i);
    const lower = code >= 65 && code <= 90 ? code + 32 : code;
    if (lower !== name.charCodeAt(i)) return false;
  }
  return true;
}
