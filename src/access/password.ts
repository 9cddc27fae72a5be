// Passwords: argon2id (RFC 9106) with OWASP's second profile, policy, one-time passwords.
import { randomInt } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { PostsealError } from '../kernel/errors.ts';
import type { Secret } from '../kernel/secret.ts';

/** argon2id is the library's default. 19 MiB, two passes, one lane: about 19 ms of one core (docs/performance.md). */
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

export const passwordLengthMin = 16;
const passwordLengthMax = 1_024;

/** Hashes a new password. Throws `access.password-policy` if it is too short or too long. */
export async function hashPassword(password: Secret): Promise<string> {
  const length = password.exposeText().length;
  if (length < passwordLengthMin || length > passwordLengthMax) {
    throw new PostsealError('access.password-policy', { lengthMin: passwordLengthMin });
  }
  return hash(password.expose(), cost);
}

let decoy: Promise<string> | undefined;

/**
 * True if `password` fits `stored`. An unknown name passes `undefined` and costs the same work, so
 * that the time tells nothing about which names exist.
 */
export async function verifyPassword(
  stored: string | undefined,
  password: Secret,
): Promise<boolean> {
  decoy ??= hash('a password that nobody has', cost);
  const against = stored ?? (await decoy);
  const right = await verify(against, password.expose());
  return right && stored !== undefined;
}

/** A password of 24 characters without look-alikes: 24 × log2(55) = 138 bits. */
export function oneTimePassword(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';
  return Array.from({ length: 24 }, () => letters[randomInt(letters.length)]).join('');
}
