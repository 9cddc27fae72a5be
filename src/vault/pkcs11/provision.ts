// First start: makes a token that only Postseal knows the PINs of. It runs again harmlessly after a
// crash at any point. Tokens of real HSMs are set up by their officers (`provision: none`).
import pkcs11js from 'pkcs11js';
import type { Handle, PKCS11 } from 'pkcs11js';
import { PostsealError } from '../../kernel/errors.ts';
import type { Secret } from '../../kernel/secret.ts';
import { findToken, hasFlag, type FoundToken } from './cryptoki.ts';
import { ensurePin } from './pin-file.ts';
import type { TokenProfile } from './profile.ts';
import { tokenFailure } from './token-errors.ts';

export interface ProvisionOptions {
  readonly profile: TokenProfile;
  readonly label: string;
  readonly folder: string;
  readonly pin?: Secret | undefined;
  readonly soPin?: Secret | undefined;
}

/**
 * Returns the token, set up and with a user PIN.
 * @throws PostsealError `key.token` with reason `no-token` when there is none and none may be made.
 */
export async function provisionToken(api: PKCS11, options: ProvisionOptions): Promise<FoundToken> {
  const { profile, label } = options;
  let token = findToken(api, profile, label);
  if (token === undefined) {
    if (profile.provision !== 'init-token') throw noToken(label);
    await initToken(api, options);
    token = findToken(api, profile, label);
    if (token === undefined) throw noToken(label);
  }
  if (hasFlag(token.info, pkcs11js.CKF_USER_PIN_INITIALIZED)) return token;
  if (profile.provision === 'none') {
    throw new PostsealError('key.token', { reason: 'no-user-pin', label });
  }
  await initPin(api, token.slot, options);
  return token;
}

function noToken(label: string): PostsealError {
  return new PostsealError('key.token', { reason: 'no-token', label });
}

async function initToken(api: PKCS11, options: ProvisionOptions): Promise<void> {
  const free = api
    .C_GetSlotList(true)
    .find((slot) => !hasFlag(api.C_GetTokenInfo(slot), pkcs11js.CKF_TOKEN_INITIALIZED));
  if (free === undefined) throw new PostsealError('key.token', { reason: 'no-free-slot' });
  const soPin = options.soPin ?? (await ensurePin(options.folder, 'so'));
  // The user PIN must be on the disk before the token exists: a token without its PIN is lost.
  if (options.pin === undefined) await ensurePin(options.folder, 'user');
  try {
    api.C_InitToken(free, soPin.exposeText(), options.label);
  } catch (error) {
    throw tokenFailure(error, 'C_InitToken');
  }
}

async function initPin(api: PKCS11, slot: Handle, options: ProvisionOptions): Promise<void> {
  const factory = options.profile.factorySoPin;
  const soPin = factory ?? (options.soPin ?? (await ensurePin(options.folder, 'so'))).exposeText();
  const pin = options.pin ?? (await ensurePin(options.folder, 'user'));
  const session = api.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION);
  try {
    api.C_Login(session, pkcs11js.CKU_SO, soPin);
    api.C_InitPIN(session, pin.exposeText());
    api.C_Logout(session);
  } catch (error) {
    throw tokenFailure(error, 'C_InitPIN');
  } finally {
    api.C_CloseSession(session);
  }
}
