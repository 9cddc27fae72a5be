// What a PKCS#11 return value means for us: the device is away, the PIN is wrong, or the call is.
// Source: PKCS #11 v2.40 base §5.1; which code a token answers when it is away was measured on
// SoftHSM 2.6.1 and NSS 3.87 and is generous for real devices: reconnecting is harmless.
import pkcs11js from 'pkcs11js';
import { PostsealError } from '../../kernel/errors.ts';

/** The return value of a failed call, or undefined for any other error. */
export function returnValueOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { code } = error as { code?: unknown };
  return typeof code === 'number' ? code : undefined;
}

const lost = new Set<number>([
  pkcs11js.CKR_GENERAL_ERROR,
  pkcs11js.CKR_FUNCTION_FAILED,
  pkcs11js.CKR_HOST_MEMORY,
  pkcs11js.CKR_DEVICE_ERROR,
  pkcs11js.CKR_DEVICE_MEMORY,
  pkcs11js.CKR_DEVICE_REMOVED,
  pkcs11js.CKR_TOKEN_NOT_PRESENT,
  pkcs11js.CKR_TOKEN_NOT_RECOGNIZED,
  pkcs11js.CKR_SLOT_ID_INVALID,
  pkcs11js.CKR_SESSION_CLOSED,
  pkcs11js.CKR_SESSION_HANDLE_INVALID,
  pkcs11js.CKR_OBJECT_HANDLE_INVALID,
  pkcs11js.CKR_KEY_HANDLE_INVALID,
  pkcs11js.CKR_USER_NOT_LOGGED_IN,
  pkcs11js.CKR_CRYPTOKI_NOT_INITIALIZED,
  pkcs11js.CKR_OPERATION_ACTIVE,
]);

/** True if the connection should be built anew. */
export function isTokenLost(error: unknown): boolean {
  const code = returnValueOf(error);
  return code !== undefined && lost.has(code);
}

/**
 * True if the device cannot be reached, so that nothing is known of what it can do. Without the two codes by
 * which tokens also answer what they do not understand.
 */
export function isDeviceGone(error: unknown): boolean {
  const code = returnValueOf(error);
  if (code === pkcs11js.CKR_GENERAL_ERROR || code === pkcs11js.CKR_FUNCTION_FAILED) return false;
  return isTokenLost(error);
}

/** Codes by which tokens report a bad tag; SoftHSM answers CKR_GENERAL_ERROR, as it does when it is away. */
const maybeBadTag = new Set<number>([
  pkcs11js.CKR_GENERAL_ERROR,
  pkcs11js.CKR_FUNCTION_FAILED,
  pkcs11js.CKR_ENCRYPTED_DATA_INVALID,
  pkcs11js.CKR_ENCRYPTED_DATA_LEN_RANGE,
  pkcs11js.CKR_DATA_INVALID,
  pkcs11js.CKR_SIGNATURE_INVALID,
]);

/** True if a decryption may have failed because its input was changed. */
export function mayBeBadTag(error: unknown): boolean {
  const code = returnValueOf(error);
  return code !== undefined && maybeBadTag.has(code);
}

/** True if this process has logged in before, which serves as well. */
export function isAlreadyLoggedIn(error: unknown): boolean {
  return returnValueOf(error) === pkcs11js.CKR_USER_ALREADY_LOGGED_IN;
}

/** True if another user of this process has initialised the module. */
export function isAlreadyInitialised(error: unknown): boolean {
  return returnValueOf(error) === pkcs11js.CKR_CRYPTOKI_ALREADY_INITIALIZED;
}

/** True for answers that count as one wrong try. */
export function isWrongPin(error: unknown): boolean {
  const code = returnValueOf(error);
  return (
    code === pkcs11js.CKR_PIN_INCORRECT ||
    code === pkcs11js.CKR_PIN_LEN_RANGE ||
    code === pkcs11js.CKR_PIN_INVALID
  );
}

export function isPinLocked(error: unknown): boolean {
  return returnValueOf(error) === pkcs11js.CKR_PIN_LOCKED;
}

/** Turns a failed call into the archive's error; `call` names it. The token's text goes along as cause. */
export function tokenFailure(error: unknown, call: string): PostsealError {
  if (error instanceof PostsealError) return error;
  const code = returnValueOf(error);
  const fields = { call, ...(code === undefined ? {} : { returnValue: code }) };
  if (isPinLocked(error)) return new PostsealError('key.pin-locked', fields, error);
  if (isWrongPin(error)) return new PostsealError('key.pin', fields, error);
  if (isTokenLost(error)) return new PostsealError('key.unavailable', fields, error);
  return new PostsealError('key.token', fields, error);
}
