// The forms in which a word may lie in a file: as text, UTF-16, base64 at every alignment, hex.

export interface Needle {
  readonly form: string;
  readonly bytes: Buffer;
}

/** The part of the base64 of a text with `word` at this alignment that does not hang on its neighbours. */
function base64Core(word: Buffer, lead: number): string {
  const text = Buffer.concat([Buffer.alloc(lead), word])
    .toString('base64')
    .replace(/=+$/, '');
  const from = Math.ceil((lead * 8) / 6);
  const to = Math.floor(((lead + word.length) * 8) / 6);
  return text.slice(from, to);
}

/** `word` must be ASCII: then its Latin-1 and its UTF-8 are the same. */
export function canaryNeedles(word: string): Needle[] {
  return [
    { word, suffix: '' },
    { word: word.toUpperCase(), suffix: ' upper' },
  ].flatMap(({ word: text, suffix }) => {
    const utf8 = Buffer.from(text);
    const hex = utf8.toString('hex');
    const forms: [string, Buffer][] = [
      ['utf8', utf8],
      ['utf16le', Buffer.from(text, 'utf16le')],
      ['utf16be', Buffer.from(text, 'utf16le').swap16()],
      ['hex', Buffer.from(hex)],
      ['HEX', Buffer.from(hex.toUpperCase())],
    ];
    for (const lead of [0, 1, 2]) {
      const core = base64Core(utf8, lead);
      const url = core.replaceAll('+', '-').replaceAll('/', '_');
      forms.push([`base64+${lead}`, Buffer.from(core)]);
      if (url !== core) forms.push([`base64url+${lead}`, Buffer.from(url)]);
    }
    return forms.map(([form, bytes]) => ({ form: `${form}${suffix}`, bytes }));
  });
}

/** Forms that are in `bytes`. */
export function findNeedles(bytes: Buffer, needles: readonly Needle[]): string[] {
  return needles.filter((needle) => bytes.includes(needle.bytes)).map(({ form }) => form);
}
