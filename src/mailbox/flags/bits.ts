// Flags of a message as one number: bits 0 to 4 are system flags, 5 to 51 keywords of the mailbox
// (RFC 9051 §2.3.2). 52 bits stay exact in a double and fit PostgreSQL's bigint. Pure.
// JavaScript's bit operators see 32 bits, so a value is worked on as two halves of 26.

/** Bit numbers. `\Recent` is no stored flag. */
export const systemFlags = {
  '\\Seen': 0,
  '\\Answered': 1,
  '\\Flagged': 2,
  '\\Deleted': 3,
  '\\Draft': 4,
} as const;
export const systemFlagNames = Object.keys(systemFlags);

export const seenBit = 1;
export const deletedBit = 8;
export const firstKeywordBit = 5;
export const lastKeywordBit = 51;
/** Every bit that can be set. */
export const allFlagBits = 2 ** 52 - 1;

const half = 2 ** 26;

/** The value of bit number `bit`. */
export function bitValue(bit: number): number {
  return 2 ** bit;
}

export function hasBit(flags: number, bit: number): boolean {
  return Math.floor(flags / 2 ** bit) % 2 === 1;
}

export function orBits(a: number, b: number): number {
  return (Math.floor(a / half) | Math.floor(b / half)) * half + ((a % half) | (b % half));
}

export function andBits(a: number, b: number): number {
  return (Math.floor(a / half) & Math.floor(b / half)) * half + ((a % half) & (b % half));
}

/** The bits of `a` that are not in `b`. */
export function withoutBits(a: number, b: number): number {
  return (Math.floor(a / half) & ~Math.floor(b / half)) * half + ((a % half) & ~(b % half));
}

/** The system flag of that name in any case, or undefined. */
export function systemFlagBit(name: string): number | undefined {
  const lower = name.toLowerCase();
  const found = systemFlagNames.findIndex((flag) => flag.toLowerCase() === lower);
  return found < 0 ? undefined : found;
}
