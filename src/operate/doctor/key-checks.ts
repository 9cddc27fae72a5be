// Checks of keys and of the separation of the signer, said so that a software token is never taken for
// an HSM.
import { existsSync } from 'node:fs';
import { errorRegistry } from '../../kernel/errors.ts';
import type { KeyStatus } from '../../vault/keys/types.ts';
import { loadProfile } from '../../vault/pkcs11/profile.ts';
import type { DoctorAnswer, DoctorCheck, DoctorContext } from './doctor-check.ts';

const classes: Readonly<
  Record<KeyStatus['tokenClass'], Omit<DoctorAnswer, 'text'> & { is: string }>
> = {
  hsm: { verdict: 'good', is: 'keys do not leave the hardware' },
  'software-token': {
    verdict: 'warning',
    is: 'keys are sealed by the machine, not by hardware',
    hint: 'set keys.pkcs11.module and keys.pkcs11.profile to an HSM for production',
  },
  keyfile: {
    verdict: 'warning',
    is: 'no token, for development only',
    hint: 'install softhsm2 for tests, an HSM for production, and set keys.store to pkcs11',
  },
};

/** What keeps the token from being used: a module that is not there, or no answer of the running server's. */
function tokenProblem(context: DoctorContext): Omit<DoctorAnswer, 'verdict'> | undefined {
  const { config, keys, keyProblem } = context;
  if (keyProblem !== undefined) {
    return {
      text: `the key service does not answer (${keyProblem})`,
      hint: 'see log/postseal.log for its cause; it is started again and goes on by itself',
    };
  }
  if (keys !== undefined) {
    if (keys.available) return undefined;
    return {
      text: 'the token does not answer',
      hint: 'bring it back to where it was; the key service goes on with it by itself',
    };
  }
  const { module } = config.keys.pkcs11;
  if (config.keys.store === 'keyfile' || module === undefined || existsSync(module)) return;
  return { text: `${module} is not there`, hint: errorRegistry['key.module-missing'].hint };
}

/** A device whose profile was only read, not tried, is usable, but not without saying so. */
function untested(
  { keys: { store, pkcs11 } }: DoctorContext['config'],
  text: string,
): DoctorAnswer | undefined {
  if (store === 'keyfile' || loadProfile(pkcs11.profile).tested === 'contract-suite') return;
  return {
    verdict: 'warning',
    text: `${text}; its profile was written from documentation and never tested on the device`,
    hint: 'run the contract suite on it before it holds anything, see keys/README.md',
  };
}

/**
 * The class as the token reports it while a server runs, and whether it answers; without a server, what its
 * profile calls it.
 */
export const tokenCheck: DoctorCheck = {
  name: 'token',
  look(context) {
    const { config, keys } = context;
    const { store, pkcs11 } = config.keys;
    const declared = store === 'keyfile' ? store : loadProfile(pkcs11.profile).tokenClass;
    const tokenClass = keys?.tokenClass ?? declared;
    const ofConfig = store === 'keyfile' ? 'sealed file' : `profile ${pkcs11.profile}`;
    const named =
      keys === undefined
        ? ofConfig
        : `${keys.token}; profile ${keys.profile}, ${keys.mechanism || 'no mechanism yet'}`;
    const problem = tokenProblem(context);
    if (problem !== undefined) {
      const { text, hint = '' } = problem;
      return { verdict: 'bad', text: `class ${tokenClass} (${named}): ${text}`, hint };
    }
    const { is, ...answer } = classes[tokenClass];
    const text = `class ${tokenClass} (${named}): ${is}`;
    if (!config.production || tokenClass === 'hsm') {
      return untested(config, text) ?? { ...answer, text };
    }
    return { ...answer, verdict: 'bad', text: `${text}; production does not start with it` };
  },
};

export const signerCheck: DoctorCheck = {
  name: 'signer',
  look: () => ({
    verdict: 'warning',
    text: 'runs as a process of its own under the same operating system user; no witness',
    hint: 'until witnesses sign, a person with every password of this machine can fork the ledger',
  }),
};
