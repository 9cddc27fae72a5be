// Address lists (RFC 5322 §3.4 with the obsolete syntax of §4.4), read leniently: nothing throws,
// nothing is invented, encoded words stay as they are. The result is the address structure of
// RFC 9051 §7.5.2: a group begins with (mailbox = its name, host = null) and ends with all null.

export interface Address {
  readonly name: string | null;
  /** Source route of obsolete syntax (`@a,@b`), without the colon. */
  readonly adl: string | null;
  /** Null marks the end of a group. */
  readonly mailbox: string | null;
  /** Null marks a group; a mailbox without a domain has the empty string. */
  readonly host: string | null;
}

const groupEnd: Address = { name: null, adl: null, mailbox: null, host: null };

/** Entries beyond this are left out: no client shows more, and a list may be a megabyte. */
export const addressesMax = 10_000;

/** Parses an unfolded address list. Never throws; linear in its length. */
export function parseAddressList(text: string): Address[] {
  return new AddressReader(text).list();
}

type TokenKind = 'word' | 'quoted' | 'comment' | 'special' | 'literal';

interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** True if white space or a comment stood before it. */
  readonly spaced: boolean;
}

class AddressReader {
  readonly #text: string;
  #at = 0;
  readonly #out: Address[] = [];
  #inGroup = false;
  #tokens: Token[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  list(): Address[] {
    for (let token = this.#next(); token !== null; token = this.#next()) {
      if (this.#out.length >= addressesMax) break;
      if (token.kind === 'special' && this.#separator(token)) continue;
      this.#tokens.push(token);
    }
    this.#flush();
    if (this.#inGroup) this.#out.push(groupEnd);
    return this.#out;
  }

  #separator({ text }: Token): boolean {
    if (text === '<') {
      this.#angle();
      return true;
    }
    if (text === ',') this.#flush();
    else if (text === ';') {
      this.#flush();
      if (this.#inGroup) this.#out.push(groupEnd);
      this.#inGroup = false;
    } else if (text === ':' && !this.#inGroup) {
      const name = phrase(this.#tokens);
      this.#tokens = [];
      this.#out.push({ name: null, adl: null, mailbox: name ?? '', host: null });
      this.#inGroup = true;
    } else return text === '>' || text === ':';
    return true;
  }

  /** `[display-name] "<" [route ":"] addr-spec ">"`; the text up to ">" is taken as it stands. */
  #angle(): void {
    const name = phrase(this.#tokens);
    this.#tokens = [];
    const spec: Token[] = [];
    let adl: string | null = null;
    for (let token = this.#next(); token !== null; token = this.#next()) {
      if (token.kind === 'special' && token.text === '>') break;
      if (token.kind === 'special' && token.text === ':' && spec[0]?.text === '@') {
        adl = spec
          .filter((part) => part.kind !== 'comment')
          .map((part) => part.text)
          .join('');
        spec.length = 0;
        continue;
      }
      spec.push(token);
    }
    const comment = name === null ? commentOf(this.#trailing(spec)) : null;
    const [mailbox, host] = splitSpec(spec);
    // Two addresses without a comma: the second begins a new entry by itself.
    if (mailbox !== '' || host !== '' || name !== null) {
      this.#out.push({ name: name ?? comment, adl, mailbox, host });
    }
  }

  /** The tokens of the spec and the comment right after its ">" (`<a@b> (Name)`). */
  #trailing(spec: readonly Token[]): readonly Token[] {
    const before = this.#at;
    const token = this.#next();
    if (token?.kind === 'comment') return [...spec, token];
    this.#at = before;
    return spec;
  }

  /** An addr-spec without angle brackets; a comment is its name (RFC 5322 appendix A.6.3). */
  #flush(): void {
    const tokens = this.#tokens;
    this.#tokens = [];
    for (const one of withoutCommas(tokens)) this.#bare(one);
  }

  #bare(tokens: readonly Token[]): void {
    if (!tokens.some((token) => token.kind !== 'comment')) return;
    const [mailbox, host] = splitSpec(tokens);
    if (mailbox !== '' || host !== '') {
      this.#out.push({ name: commentOf(tokens), adl: null, mailbox, host });
    }
  }

  #next(): Token | null {
    const text = this.#text;
    const from = this.#at;
    while (this.#at < text.length && text.charCodeAt(this.#at) <= 32) this.#at += 1;
    if (this.#at >= text.length) return null;
    const spaced = this.#at > from;
    const first = text.charAt(this.#at);
    if (first === '(') return { kind: 'comment', text: this.#comment(), spaced };
    if (first === '"') return { kind: 'quoted', text: this.#quoted(), spaced };
    if (first === '[') return { kind: 'literal', text: this.#literal(), spaced };
    if ('<>,;:@'.includes(first)) {
      this.#at += 1;
      return { kind: 'special', text: first, spaced };
    }
    const start = this.#at;
    while (this.#at < text.length && !isBreak(text.charCodeAt(this.#at))) this.#at += 1;
    if (this.#at === start) this.#at += 1;
    return { kind: 'word', text: text.slice(start, this.#at), spaced };
  }

  #comment(): string {
    const text = this.#text;
    const start = this.#at + 1;
    let depth = 0;
    for (let i = this.#at; i < text.length; i += 1) {
      const code = text.charCodeAt(i);
      if (code === 92) i += 1;
      else if (code === 40) depth += 1;
      else if (code === 41) {
        depth -= 1;
        if (depth === 0) {
          this.#at = i + 1;
          return unescape(text.slice(start, i));
        }
      }
    }
    this.#at = text.length;
    return unescape(text.slice(start));
  }

  #quoted(): string {
    const text = this.#text;
    const start = this.#at + 1;
    let i = start;
    while (i < text.length && text.charCodeAt(i) !== 34) i += text.charCodeAt(i) === 92 ? 2 : 1;
    this.#at = Math.min(i + 1, text.length);
    return unescape(text.slice(start, i));
  }

  #literal(): string {
    const close = this.#text.indexOf(']', this.#at);
    const end = close < 0 ? this.#text.length : close + 1;
    const literal = this.#text.slice(this.#at, end);
    this.#at = end;
    return literal;
  }
}

/** White space, and the characters that begin another token. */
const isBreak = (code: number): boolean =>
  code <= 32 ||
  code === 34 ||
  code === 40 ||
  code === 44 ||
  code === 58 ||
  code === 59 ||
  code === 60 ||
  code === 62 ||
  code === 64 ||
  code === 91;

const unescape = (text: string): string =>
  text.includes('\\') ? text.replace(/\\([\s\S])/gu, '$1') : text;

/** `a@b c@d`: the comma was forgotten. A new address begins with a word after a finished domain. */
function withoutCommas(tokens: readonly Token[]): Token[][] {
  const lists: Token[][] = [];
  let current: Token[] = [];
  let inDomain = false;
  for (const [i, token] of tokens.entries()) {
    const before = tokens[i - 1];
    const joined =
      !token.spaced ||
      token.kind === 'comment' ||
      token.kind === 'special' ||
      token.text.startsWith('.') ||
      before?.kind !== 'word' ||
      before.text.endsWith('.');
    if (inDomain && !joined) {
      lists.push(current);
      current = [];
      inDomain = false;
    }
    if (token.kind === 'special' && token.text === '@') inDomain = true;
    current.push(token);
  }
  return current.length > 0 ? [...lists, current] : lists;
}

/** Words joined by one space where space stood; null if there are none. */
function phrase(tokens: readonly Token[]): string | null {
  let out = '';
  let any = false;
  for (const token of tokens) {
    if (token.kind === 'comment') continue;
    out += any && token.spaced ? ` ${token.text}` : token.text;
    any = true;
  }
  return any && out !== '' ? out : null;
}

function commentOf(tokens: readonly Token[]): string | null {
  const comment = tokens.findLast((token) => token.kind === 'comment');
  return comment === undefined || comment.text.trim() === '' ? null : comment.text.trim();
}

/** Local part and domain around the last "@"; spaces inside either are obsolete syntax and dropped. */
function splitSpec(tokens: readonly Token[]): [mailbox: string, host: string] {
  const plain = tokens.filter((token) => token.kind !== 'comment');
  const at = plain.findLastIndex((token) => token.kind === 'special' && token.text === '@');
  const local = plain.slice(0, at < 0 ? plain.length : at);
  const domain = at < 0 ? [] : plain.slice(at + 1);
  const text = (part: readonly Token[], glue: string): string =>
    part.reduce((sum, token, i) => sum + (i > 0 && token.spaced ? glue : '') + token.text, '');
  // Without "@" the words are rather a name than a local part: keep their spaces readable.
  return [text(local, at < 0 ? ' ' : ''), text(domain, '')];
}
