// A text and whether it holds a needle, both folded (fold.ts). Folding a whole body costs more than finding
// an ASCII needle in it, so only what lies around other characters is folded.
import { fold } from './fold.ts';

const ascii = /^[\0-\x7f]*$/u;
const special = /[\\^$.*+?()[\]{}|]/g;
const otherRuns = /[^\0-\x7f]+/gu;

/** `fold(text).includes(needle)` for many needles, each of them folded. Keeps the folded text once made. */
export class FoldedText {
  readonly #text: string;
  #folded: string | undefined;
  #isAscii: boolean | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  /** Octets of memory at most: a string has one or two a character. */
  get bytes(): number {
    return 2 * (this.#text.length + (this.#folded?.length ?? 0));
  }

  has(needle: string): boolean {
    if (this.#folded !== undefined || !ascii.test(needle)) {
      this.#folded ??= fold(this.#text);
      return this.#folded.includes(needle);
    }
    if (patternOf(needle).test(this.#text)) return true;
    this.#isAscii ??= ascii.test(this.#text);
    return !this.#isAscii && this.#hasAroundOthers(needle);
  }

  /** A hit that the pattern missed holds a character that folding made from one beyond ASCII. */
  #hasAroundOthers(needle: string): boolean {
    const reach = needle.length - 1;
    let from = 0;
    let to = -1;
    for (const { index, 0: run } of this.#text.matchAll(otherRuns)) {
      if (index - reach > to) {
        if (to > 0 && fold(this.#text.slice(from, to)).includes(needle)) return true;
        from = Math.max(0, index - reach);
      }
      to = index + run.length + reach;
    }
    return to > 0 && fold(this.#text.slice(from, to)).includes(needle);
  }
}

let lastNeedle = '';
let lastPattern = /(?:)/i;

/** One search asks every message for the same few needles, mostly for one. */
function patternOf(needle: string): RegExp {
  if (needle !== lastNeedle) {
    lastNeedle = needle;
    // Without the flag `u`, case is ignored within ASCII only (ECMA-262, Canonicalize), which is what is
    // wanted here.
    lastPattern = new RegExp(needle.replace(special, '\\$&'), 'i');
  }
  return lastPattern;
}
