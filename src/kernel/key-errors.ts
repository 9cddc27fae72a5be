// Errors of keys, tokens and key generations: a part of the registry in errors.ts.
import { errorSpec as spec, type ErrorSpec } from './error-spec.ts';

export const keyErrors = {
  'key.unavailable': spec(
    'The token or the key service does not answer.',
    'run postseal doctor; it goes on by itself once they answer again',
    true,
    1,
  ),
  'key.refused': spec(
    'The key service refused to open a key.',
    'the read must name its session, purpose and ledger event',
    false,
    1,
  ),
  'key.limited': spec(
    'More keys were asked for in a short time than a session or node may have.',
    'try again later; if the work is honest, raise keyService.limits',
    true,
    1,
  ),
  'key.passphrase': spec(
    'The passphrase does not open the key file.',
    'check keys.keyfile.passphrase',
    false,
    78,
  ),
  'key.token': spec('The PKCS#11 token cannot be used.', 'run postseal doctor', true, 1),
  'key.mechanism': spec(
    'The token offers no mechanism that authenticates a wrapped key and binds it to its place.',
    'use a token with AES-GCM or AES-KWP over data; AES-CBC, AES-ECB and plain key wrapping are not enough',
    false,
    78,
  ),
  'key.pin': spec(
    'The token refuses the PIN.',
    'correct keys.pkcs11.pin; further tries wait so that the token does not lock',
    false,
    78,
  ),
  'key.pin-locked': spec(
    'The token has locked its PIN.',
    'a security officer must unlock the token',
    false,
    78,
  ),
  'key.software-token': spec(
    'In production keys do not lie in a software token or file.',
    'set keys.pkcs11.module and keys.pkcs11.profile to an HSM; signed exceptions do not exist yet',
    false,
    78,
  ),
  'key.module-missing': spec(
    'The PKCS#11 module of the key store is not on this machine.',
    'install it, or set keys.pkcs11.module to where it is now',
    false,
    78,
  ),
  'key.store-missing': spec(
    'The token or key file that holds the keys of this home is not there.',
    'bring it back to where it was; nothing new is made in its place',
    true,
    78,
  ),
  'key.store-other': spec(
    'This token or key file does not hold the keys of this home.',
    'bring back the one that does; nothing was changed',
    false,
    78,
  ),
  'key.store-mismatch': spec(
    'The configuration and the home name different key stores.',
    'leave the key store to the home: key-store.json says which holds its keys',
    false,
    78,
  ),
  'key.switch-busy': spec(
    'Another process is switching key generations.',
    'wait for it; see postseal key generations',
    true,
    1,
  ),
  'key.still-needed': spec(
    'The key generation is not retired, or something still hangs under it.',
    'run postseal key rewrap, then see postseal key generations',
    false,
    1,
  ),
  'key.grace': spec(
    'The time in which the key generation stays is not over.',
    'wait for generations.graceDays after its retirement, see postseal key generations',
    false,
    1,
  ),
  'key.destroyed': spec(
    'The key of this object was destroyed.',
    'the object was erased; there is no way back',
    false,
    1,
  ),
} as const satisfies Record<string, ErrorSpec>;
