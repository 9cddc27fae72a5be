// HTML to plain text for previews and search: tags, comments, scripts and styles go, the usual
// entities are read. This is a scanner, not a browser; it is linear and never throws.

const entities: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  copy: '©',
  reg: '®',
  trade: '™',
  hellip: '…',
  mdash: '—',
  ndash: '–',
  lsquo: '‘',
  rsquo: '’',
  ldquo: '“',
  rdquo: '”',
  bull: '•',
  middot: '·',
  laquo: '«',
  raquo: '»',
  euro: '€',
  pound: '£',
  yen: '¥',
  cent: '¢',
  sect: '§',
  deg: '°',
  times: '×',
  auml: 'ä',
  ouml: 'ö',
  uuml: 'ü',
  Auml: 'Ä',
  Ouml: 'Ö',
  Uuml: 'Ü',
  szlig: 'ß',
  eacute: 'é',
  egrave: 'è',
  agrave: 'à',
  ccedil: 'ç',
  ecirc: 'ê',
  aacute: 'á',
  iacute: 'í',
  oacute: 'ó',
  uacute: 'ú',
  ntilde: 'ñ',
  zwnj: '',
  zwj: '',
  shy: '',
};
/** Elements that separate words or lines; the others (`b`, `span`, `a` …) do not. */
const breaking: ReadonlySet<string> = new Set([
  'address',
  'article',
  'blockquote',
  'body',
  'br',
  'center',
  'dd',
  'div',
  'dl',
  'dt',
  'footer',
  'form',
  'h1',
  'h2',
  'h3',
  'h4',
  'h5',
  'h6',
  'head',
  'header',
  'hr',
  'html',
  'li',
  'ol',
  'p',
  'pre',
  'section',
  'table',
  'tbody',
  'td',
  'th',
  'thead',
  'title',
  'tr',
  'ul',
  'option',
  'img',
]);
const unseen: ReadonlySet<string> = new Set(['script', 'style', 'title', 'noscript', 'template']);
const tagName = /^<\/?([a-z][a-z0-9]*)/iu;

/** The visible text of `html`; about its first `charsMax` characters, if they are enough. */
export function htmlText(html: string, charsMax = Infinity): string {
  let out = '';
  let at = 0;
  /** End tags that were sought in vain: they are not sought again, so that the scan stays linear. */
  const absent = new Set<string>();
  while (at < html.length && out.length < charsMax) {
    const open = html.indexOf('<', at);
    if (open < 0) break;
    out += html.slice(at, open);
    const next = skipMarkup(html, open, absent);
    if (next === open) {
      out += '<';
      at = open + 1;
      continue;
    }
    const name = tagName.exec(html.slice(open, open + 20))?.[1]?.toLowerCase() ?? '';
    if (breaking.has(name)) out += '\n';
    at = next;
  }
  return readEntities(out.length < charsMax ? out + html.slice(at) : out);
}

/** Index after the markup that begins at `open`, or `open` if it is a bare "<". */
function skipMarkup(html: string, open: number, absent: Set<string>): number {
  if (html.startsWith('<!--', open)) return seek(html, '-->', open + 4, absent) ?? html.length;
  const name = tagName.exec(html.slice(open, open + 20))?.[1]?.toLowerCase();
  const second = html.charAt(open + 1);
  if (name === undefined && second !== '!' && second !== '?' && second !== '/') return open;
  const tagEnd = seek(html, '>', open, absent);
  if (tagEnd === null) return html.length;
  if (name === undefined || second === '/' || !unseen.has(name)) return tagEnd;
  const close = seekEndTag(html, name, tagEnd, absent);
  if (close !== null) return close;
  // As in a browser, nothing after an unclosed script or style is seen.
  return name === 'script' || name === 'style' ? html.length : tagEnd;
}

function seek(html: string, what: string, from: number, absent: Set<string>): number | null {
  if (absent.has(what)) return null;
  const found = html.indexOf(what, from);
  if (found >= 0) return found + what.length;
  absent.add(what);
  return null;
}

function seekEndTag(html: string, name: string, from: number, absent: Set<string>): number | null {
  if (absent.has(name)) return null;
  const pattern = new RegExp(`</${name}[^>]{0,100}>`, 'giu');
  pattern.lastIndex = from;
  const match = pattern.exec(html);
  if (match !== null) return match.index + match[0].length;
  absent.add(name);
  return null;
}

function readEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(
    /&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,8}));?/giu,
    (whole, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined)
        return Object.hasOwn(entities, name) ? (entities[name] ?? whole) : whole;
      const code = decimal === undefined ? parseInt(hex ?? '', 16) : Number(decimal);
      const valid = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
      return valid ? String.fromCodePoint(code) : '\ufffd';
    },
  );
}
