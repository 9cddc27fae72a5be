// Checks of keys and of the separation of the signer, said so that a software token is never taken for
// an HSM.
import type { DoctorCheck } from './doctor-check.ts';

export const tokenCheck: DoctorCheck = {
  name: 'token',
  look({ config }) {
    const { store, pkcs11 } = config.keys;
    if (store === 'keyfile') {
      return {
        verdict: 'warning',
        text: 'sealed key file: no token, for development only',
        hint: 'install softhsm2 for tests, an HSM for production, and set keys.store to pkcs11',
      };
    }
    const software = ['softhsm2', 'nss-softokn'].includes(pkcs11.profile);
    if (!software) return { verdict: 'good', text: `PKCS#11 profile ${pkcs11.profile}` };
    return {
      verdict: 'warning',
      text: `software token (${pkcs11.profile}): keys are sealed by the machine, not by hardware`,
      hint: 'set keys.pkcs11.module and keys.pkcs11.profile to an HSM for production',
    };
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
