// Reads PostgreSQL's text form of a bigint[] (`{1,2,3}`) without making a string per element. Pure.

/** @throws RangeError on anything else, NULL elements included. */
export function parseNumberList(text: string): number[] {
  const end = text.length - 1;
  if (text.charCodeAt(0) !== 0x7b || text.charCodeAt(end) !== 0x7d) throw notAList();
  const out: number[] = [];
  if (end === 1) return out;
  let value = 0;
  let digits = 0;
  for (let i = 1; i <= end; i += 1) {
    const code = text.charCodeAt(i);
    if (code >= 0x30 && code <= 0x39) {
      value = value * 10 + (code - 0x30);
      digits += 1;
    } else if ((code === 0x2c || i === end) && digits > 0) {
      out.push(value);
      value = 0;
      digits = 0;
    } else {
      throw notAList();
    }
  }
  return out;
}

function notAList(): RangeError {
  return new RangeError('not a list of numbers');
}
